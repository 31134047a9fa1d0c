# Where cloudflare-dns.sh enters its records. Lands as /etc/nginx/relay/dns.sh; laid by apply.sh.
# shellcheck shell=sh disable=SC2034
zone_id={{ zoneId }}
