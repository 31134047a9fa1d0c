#!/bin/sh
# Makes of Debian's packages what a cloud image is that was never booted. Run by mmdebstrap; $1: the new root.
set -eu

# Else all machines would have the same ones; cloud-init brings or makes them.
rm -f "$1"/etc/ssh/ssh_host_*

# The only package source, with nothing in it: apt works without a network, for what is installed already.
mkdir "$1/var/lib/no-packages"
: >"$1/var/lib/no-packages/Packages"
rm -rf "$1"/etc/apt/sources.list.d/*
echo "deb [trusted=yes] file:/var/lib/no-packages ./" >"$1/etc/apt/sources.list"

# Debian's cloud images keep the sources that they come with, too; a container's network is Docker's to make.
cat >"$1/etc/cloud/cloud.cfg.d/99-rehearsal.cfg" <<'END'
apt: {preserve_sources_list: true}
network: {config: disabled}
END
