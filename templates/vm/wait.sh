#!/bin/sh
# Waits until cloud-init has made the machine what its user data say, and shows what went wrong if it could not.
# Runs on a machine that the stack made, as root; laid by nobody, sent over SSH by components/overseas/relay-host.ts.
set -eu

# Others only where this is tried out.
logs=${DOCKERMIRROR_LOGS:-/var/log}
# Seconds that the first boot may take.
patience=${DOCKERMIRROR_PATIENCE:-900}

code=0
said=$(timeout "$patience" cloud-init status --wait 2>&1) || code=$?
case $code:$said in
    0:*'status: done'*) echo "machine ready" ;;
    # cloud-init 23.4 and newer: all was done, and something was odd.
    2:*'status: done'*) echo "machine ready; cloud-init warns: $(cloud-init status --long 2>&1 | tail -n 20)" ;;
    *)
        {
            if [ "$code" = 124 ]; then
                echo "machine not ready: cloud-init is not through after $patience seconds"
            else
                echo "machine not ready: cloud-init ends with $(printf %s "$said" | tr -d '.' | tail -n 1) (exit code $code)"
            fi
            echo "--- what cloud-init warns of (cloud-init.log)"
            grep -E 'WARNING|ERROR|CRITICAL|Error: ' "$logs/cloud-init.log" | tail -n 15 || true
            echo "--- the end of what its programs wrote (cloud-init-output.log)"
            tail -n 40 "$logs/cloud-init-output.log" || true
            echo "--- raise the machine's generation in the settings to have another one made"
        } >&2
        exit 1
        ;;
esac
