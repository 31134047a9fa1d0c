# Takes new files of a running container over: write aside, check, swap, reload, ask, put back if it refuses.
# Runs on the Docker host; sent there by components/onprem/configured-container.ts. Standard input: the files.
set -eu
name={{ name }}
volume={{ volume }}
image={{ image }}
version={{ version }}
# Seconds in which the program must have the new files.
patience={{ patience }}

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# The volume belongs to root, which needs no capability to write there; the group is the program's, which can only read.
in_volume() {
    docker run --rm --interactive --network none --user {{ owner }} --cap-drop ALL \
        --security-opt no-new-privileges --read-only --volume "$volume:/config" --entrypoint sh "$image" -c "$@"
}

# Of the versions before, only the one that is used stays. Prints its name.
write_aside() {
    in_volume {{ script }} read-files /config/aside
    in_volume 'set -e
        cd /config
        used=$(readlink current || true)
        [ "$used" != "$1" ] || used=
        for old in *; do
            case $old in aside | current | "$used" | "$1") ;; *) rm -rf "$old" ;; esac
        done
        [ -d "$1" ] || mv aside "$1"
        rm -rf aside
        echo "$used"' - "$version" </dev/null
}

# Replaces the link in one step. Prints whether a program that a reload does not reach is another one now.
swap_to() {
    in_volume 'set -e
        cd /config
        before=$(readlink current || echo "$1")
        ln -sfn "$1" next
        mv -fT next current
        [ -z "$2" ] || cmp -s "$before/$2" "$1/$2" || echo restart' - "$1" {{ program }} </dev/null
}

is_running() {
    [ -n "$(docker ps --quiet --filter "name=^/$name\$" --filter status=running)" ]
}

take_up() {
    if [ "$1" = restart ] || ! is_running; then
        docker restart --time 20 "$name" >/dev/null
    else
        docker kill --signal HUP "$name" >/dev/null
    fi
}

has() {
    docker exec "$name" sh -c {{ ask }} - "$1" >/dev/null 2>&1 </dev/null
}

# A program that was just starting may have missed the signal: it is sent again now and then.
has_soon() {
    tries=0
    until has "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt "$patience" ] || return 1
        [ $((tries % 5)) -ne 0 ] || ! is_running || docker kill --signal HUP "$name" >/dev/null
        sleep 1
    done
}

{{ limit }}
{{ before }}
previous=$(write_aside)
if is_running && ! docker exec "$name" {{ check }} </dev/null; then
    fail {{ refusal }}
fi
take_up "$(swap_to "$version")"
has_soon "$version" && exit
docker logs --tail 20 "$name" >&2 || true
if [ -n "$previous" ]; then
    take_up "$(swap_to "$previous")"
    has_soon "$previous" || true
fi
fail {{ putBack }}
