# Writes the files that come in on standard input, one a line, "<path> <base64 of gzip>", into the folder $1.
# Runs in a container of the program's own image: sh, base64 and gzip are in all of them.
set -eu
umask 027
rm -rf "$1"
mkdir "$1"
while read -r path content; do
    case $path in
        '' | /* | *..* | *[!A-Za-z0-9._/-]*) echo "not a path within a configuration: $path" >&2 && exit 1 ;;
    esac
    mkdir -p "$(dirname "$1/$path")"
    printf %s "$content" | base64 -d | gzip -dc >"$1/$path"
done
