# Has a program check new files before anything is changed: in a throw-away container as the real one is, but without a
# network. The files are in its memory alone, so that none is left anywhere.
# Runs on the Docker host; sent there by components/onprem/configured-container.ts. Standard input: the files.
docker run --rm --interactive --network none {{ confinement }} --tmpfs /config:mode=1777 \
    --entrypoint sh {{ image }} -c {{ script }} read-files /config/current && exit
echo {{ refusal }} >&2
exit 1
