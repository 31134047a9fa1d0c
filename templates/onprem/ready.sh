# Waits until a container that was just made answers.
# Runs on the Docker host; sent there by components/onprem/registry-cache.ts.
name={{ name }}
{{ limit }}
tries=0
until docker exec "$name" {{ ask }} >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -ge {{ patience }} ]; then
        docker logs --tail 20 "$name" >&2
        echo "$name does not answer; its last lines are above" >&2
        exit 1
    fi
    sleep 1
done
