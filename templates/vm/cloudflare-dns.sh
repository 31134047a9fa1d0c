#!/bin/sh
# DNS-01: enters the text that the ACME server looks for, and takes it away again. lego runs it, as its provider "exec":
# Debian builds lego without its own provider for Cloudflare. https://go-acme.github.io/lego/dns/exec/
# Lands as /etc/nginx/relay/cloudflare-dns.sh; laid by templates/vm/apply.sh.
#
#   cloudflare-dns.sh present NAME TEXT
#   cloudflare-dns.sh cleanup NAME TEXT
set -eu
umask 077

here=$(readlink -f "$(dirname "$0")")
. "$here/machine.sh"
. "$here/dns.sh"

records=https://api.cloudflare.com/client/v4/zones/$zone_id/dns_records
# Of the record that was entered, until it is taken away.
entered=$state/acme/dns-record

# curl reads the token from standard input: an argument list is for all to read.
ask() {
    printf 'header = "Authorization: Bearer %s"\n' "$(cat "$here/dns-token")" |
        curl -q -sS --config - --max-time 30 --retry 3 -X "$@" 2>&1
}

fail() {
    printf 'cloudflare: %s\n' "$*"
    exit 1
}

present() {
    body=$(printf '{"type":"TXT","name":"%s","content":"%s","ttl":60}' "${1%.}" "$2")
    answer=$(ask POST -H 'Content-Type: application/json' --data "$body" "$records") || fail "$answer"
    id=$(printf %s "$answer" | grep -Eo '"id": ?"[0-9a-f]+"' | head -n 1 | cut -d '"' -f 4)
    [ -n "$id" ] || fail "the TXT record for $1 was not entered: $answer"
    printf '%s\n' "$id" >"$entered"
}

cleanup() {
    [ -e "$entered" ] || return 0
    answer=$(ask DELETE "$records/$(cat "$entered")") || fail "$answer"
    rm -f "$entered"
}

case $1 in
    present | cleanup) "$@" ;;
    *) fail "got $1, allowed are present and cleanup" ;;
esac
