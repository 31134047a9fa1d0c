#!/bin/sh
# Installs what lies beside it: the Pulumi CLI, unless there is one, and the provider plugins. Asks no network.
# Made by `npm run preflight -- --fetch-plugins`. Usage, as the user who runs Pulumi: tar -xf FILE.tar -C FOLDER && sh FOLDER/install.sh
set -eu
cd "$(dirname "$0")"

if command -v sha256sum >/dev/null; then
    sha256sum --check SHA256SUMS
else
    shasum --algorithm 256 --check SHA256SUMS
fi

bin=${PULUMI_HOME:-$HOME/.pulumi}/bin
PATH=$PATH:$bin
if ! command -v pulumi >/dev/null; then
    mkdir -p "$bin"
    tar -xzf pulumi-v*.tar.gz -C "$bin" --strip-components 1
    echo "the Pulumi CLI is in $bin: put it on your PATH"
fi

for file in pulumi-resource-*.tar.gz; do
    # pulumi-resource-<name>-v<version>-<system>-<architecture>.tar.gz
    rest=${file#pulumi-resource-}
    name=${rest%%-v[0-9]*}
    rest=${rest#"$name"-v}
    version=${rest%-*-*}
    pulumi plugin install resource "$name" "$version" --file "$file"
done
pulumi plugin ls
