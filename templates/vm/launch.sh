#!/bin/sh
# Lightsail's launch script: does what cloud-init would have done with the user data. Lightsail puts what it is given
# behind a shell script of its own, and cloud-init takes the whole for a script. Runs as root at the end of the first
# boot; laid by components/overseas/user-data.ts.
set -eu
umask 077
config=$(mktemp)
trap 'rm -f "$config"' EXIT
echo {{ userData }} | base64 -d | gunzip >"$config"

# In the order of cloud-init's own stages; "always": the image has been through them once already.
for module in write-files users-groups ssh runcmd package-update-upgrade-install; do
    cloud-init --file "$config" single --name "$module" --frequency always
done
# Written by the module runcmd, and run by another one that is running this.
/var/lib/cloud/instance/scripts/runcmd
