#!/bin/sh
# Runs one of the project's own programs, after the dependencies of package-lock.json are there: `npm start` and
# `npm test` work on a fresh clone. Usage: sh rehearsal/bootstrap.sh <file.ts> [arguments]
set -eu
cd "$(dirname "$0")/.."

major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
if [ "$major" -lt 20 ]; then
    echo "dockermirror needs Node 20 or newer, got $(node --version)" >&2
    exit 1
fi
# npm writes this file last: when it is older than the lock file, an installation is missing, unfinished or outdated.
outdated() {
    [ ! node_modules/.package-lock.json -nt package-lock.json ]
}
if outdated; then
    # Two started at once: the second finds done what the first has done.
    if command -v flock >/dev/null; then
        exec 9<package-lock.json
        flock 9
    fi
    if outdated; then
        echo "installing the dependencies"
        npm ci --ignore-scripts
    fi
    exec 9<&-
fi
exec node --require tsx/cjs "$@"
