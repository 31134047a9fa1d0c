#!/bin/sh
# Lands as /usr/local/bin/docker on the rehearsed on-prem host. A stock image trusts the public CAs; the rehearsal's only
# exist once it runs. So whatever is started by `docker run` gets those that this host trusts, as the stand-in for
# @pulumi/docker lays them into what it makes (stand-ins/docker.ts).
if [ "$1" = run ]; then
    shift
    set -- run --volume /etc/ssl/certs/ca-certificates.crt:{{ cas }}:ro "$@"
fi
exec /usr/bin/docker "$@"
