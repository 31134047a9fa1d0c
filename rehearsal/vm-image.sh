#!/bin/sh
# Makes of Debian's packages what a cloud image is that was never booted: as the cloud team makes theirs for EC2
# (https://salsa.debian.org/cloud-team/debian-cloud-images). Run by mmdebstrap; $1: the new root.
set -eu

# Else all machines would have the same ones; cloud-init brings or makes them.
rm -f "$1"/etc/ssh/ssh_host_*
: >"$1/etc/machine-id"

# Their cloud-init: without a locale it would try to generate one.
echo LANG=C.UTF-8 >"$1/etc/default/locale"
cat >"$1/etc/cloud/cloud.cfg.d/01_debian_cloud.cfg" <<'END'
manage_etc_hosts: true
system_info:
  default_user: {name: admin}
END
echo 'network: {config: disabled}' >"$1/etc/cloud/cloud.cfg.d/99-disable-network-config.cfg"

# Not theirs: the only package source has nothing in it, so that apt works without a network, for what is installed.
mkdir "$1/var/lib/no-packages"
: >"$1/var/lib/no-packages/Packages"
rm -rf "$1"/etc/apt/sources.list.d/*
echo "deb [trusted=yes] file:/var/lib/no-packages ./" >"$1/etc/apt/sources.list"
# Nor theirs: where a container's cloud-init gets what a cloud machine asks the metadata service for.
mkdir -p "$1/var/lib/cloud/seed/nocloud"
