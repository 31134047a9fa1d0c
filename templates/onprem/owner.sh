# Gives volumes to the programs that write there: a volume that was just made, and all that a release before has written,
# belongs to root; so does one that was lost and made again. The volume itself comes last, so that what was interrupted goes on.
# Runs on the Docker host; sent there by components/onprem/volume-owners.ts, and by the uplink's files.
docker run --rm --network none --user 0:0 --cap-drop ALL --cap-add CHOWN --cap-add FOWNER --cap-add DAC_READ_SEARCH \
    --security-opt no-new-privileges --read-only {{ mounts }} --entrypoint sh {{ image }} -c '
    while [ $# -gt 0 ]; do
        if [ "$(stat -c %u "$1")" != "$2" ]; then
            # The group is for an uplink of 0.3.0, which may still run: root, but without the right to read all.
            find "$1" -mindepth 1 -exec chown -h "$2:0" {} + -exec chmod g+rwX {} + || exit 1
            chown "$2:0" "$1" && chmod g+rwX "$1" || exit 1
        fi
        shift 2
    done' owner {{ owners }}
