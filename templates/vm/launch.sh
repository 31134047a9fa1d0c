#!/bin/sh
# Lightsail's launch script: does what cloud-init would have done with the user data. Lightsail puts what it is given
# behind a shell script of its own, and cloud-init takes the whole for a script. Runs as root at the end of the first
# boot; laid by components/overseas/user-data.ts.
set -eu
umask 077
config=$(mktemp)
trap 'rm -f "$config"' EXIT
echo {{ userData }} | base64 -d | gunzip >"$config"

# One module of cloud-init. It took the option --file before the word "single" until Debian 12, and behind it since.
# "always": the image has been through its modules once already.
single() {
    if cloud-init single --help | grep -q -e --file; then
        cloud-init single --file "$config" --name "$1" --frequency always
    else
        cloud-init --file "$config" single --name "$1" --frequency always
    fi
}

# In the order of cloud-init's own stages.
for module in write-files users-groups ssh runcmd package-update-upgrade-install; do single "$module"; done
# Written by the module runcmd, and run by another one that is running this.
/var/lib/cloud/instance/scripts/runcmd
