# How this machine gets its certificate: for renew.sh. Lands as /etc/nginx/relay/acme.sh; laid by apply.sh.
# shellcheck shell=sh disable=SC2034
server={{ server }}
email={{ email }}
challenge={{ challenge }}
metrics={{ metrics }}
