#!/bin/sh
# Gets the relay's certificate from an ACME server, by lego, and keeps it fresh: a new one, with a new key, when a third of
# its lifetime is left. nginx takes it up without closing a connection; when it does not, the one before is put back.
# Lands as /etc/nginx/relay/renew.sh; laid by templates/vm/apply.sh, run as root by dockermirror-renew.timer.
#
#   renew.sh                renews what is due
#   renew.sh --force        renews now
#   renew.sh --first        gets a first certificate; nothing when there is one. What `pulumi up` runs:
#                           components/overseas/nginx-relay.ts
#   renew.sh --for ADDRESS  the same, once the host name leads to ADDRESS: where a person enters it into DNS
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

# Of the release that is in use now, also when another one replaces it meanwhile.
here=$(readlink -f "$(dirname "$0")")
. "$here/machine.sh"
. "$here/acme.sh"

# Others only where this is tried out: seconds that the name may take to lead here, and between questions for it.
name_seconds=${DOCKERMIRROR_NAME_SECONDS:-300}
name_pause=${DOCKERMIRROR_NAME_PAUSE:-5}
# Failed validations are limited, five an hour: https://letsencrypt.org/docs/rate-limits/. Between two of them DNS may
# forget an address before this one: longer than the record's TTL of 60 seconds.
tries=3
try_pause=${DOCKERMIRROR_TRY_PAUSE:-70}
# Seconds for the new workers of nginx to answer.
reload_seconds=15
# Seconds that another renewal may take.
lock_seconds=900

in_use=$home/certificate
lego=$state/acme
issued=$lego/certificates/$hostname
log=$lego/lego.log
# What a certificate is for: with another one of these it is not renewed but replaced.
wanted="$server $hostname $email"
force=no
first=no
address=

while [ "$#" -gt 0 ]; do
    case $1 in
        --force) force=yes ;;
        --first) first=yes ;;
        --for) first=yes && address=${2:?an address belongs to --for} && shift ;;
        *) echo "renew.sh: got $1, allowed are --force, --first and --for ADDRESS" >&2 && exit 2 ;;
    esac
    shift
done

# One line for the journal; it and the metrics are what a failure leaves, nginx goes on with what it has.
fail() {
    reason=$(printf %s "$*" | tr -s '\n\t ' ' ')
    trap - EXIT
    record failed "$reason" || true
    printf 'certificate not renewed: %s\n' "$reason" >&2
    exit 1
}

# Everything that is known of renewals, for doctor.sh and for Prometheus.
record() {
    printf '%s %s\n' "$(date +%s)" "$*" >"$state/renewal"
    ends=0
    if [ -e "$in_use/certificate.pem" ]; then ends=$(date_of "$in_use/certificate.pem" end); fi
    renewed=0
    if [ -e "$in_use/for" ]; then renewed=$(stat -c %Y "$in_use/for"); fi
    install -d -m 0755 "$metrics"
    cat >"$metrics/.dockermirror.prom" <<METRICS
# HELP dockermirror_certificate_expires_seconds Unix time at which the relay's certificate ends.
# TYPE dockermirror_certificate_expires_seconds gauge
dockermirror_certificate_expires_seconds $ends
# HELP dockermirror_certificate_renewal_last_success_seconds Unix time at which the certificate was last renewed, 0 for never.
# TYPE dockermirror_certificate_renewal_last_success_seconds gauge
dockermirror_certificate_renewal_last_success_seconds $renewed
# HELP dockermirror_certificate_renewal_last_run_seconds Unix time at which it was last looked whether a renewal is due.
# TYPE dockermirror_certificate_renewal_last_run_seconds gauge
dockermirror_certificate_renewal_last_run_seconds $(date +%s)
# HELP dockermirror_certificate_renewal_failed 1 when the last renewal that was due failed.
# TYPE dockermirror_certificate_renewal_failed gauge
dockermirror_certificate_renewal_failed $(if [ "$1" = failed ]; then echo 1; else echo 0; fi)
METRICS
    chmod 0644 "$metrics/.dockermirror.prom"
    mv -f "$metrics/.dockermirror.prom" "$metrics/dockermirror.prom"
}

# Unix time of a certificate's start or end.
date_of() {
    date -d "$(openssl x509 -in "$1" -noout "-${2}date" | cut -d = -f 2)" +%s
}

one_at_a_time() {
    exec 9>"$state/renewal.lock"
    flock -w "$lock_seconds" 9 || fail "another renewal still runs after $lock_seconds seconds"
}

is_wanted() {
    [ "$(cat "$in_use/for" 2>/dev/null)" = "$wanted" ] &&
        openssl x509 -in "$in_use/certificate.pem" -noout -checkend 0 >/dev/null
}

is_due() {
    start=$(date_of "$in_use/certificate.pem" start)
    end=$(date_of "$in_use/certificate.pem" end)
    [ $(((end - $(date +%s)) * 3)) -le $((end - start)) ]
}

nothing_to_do() {
    [ "$force" = no ] && is_wanted && { [ "$first" = yes ] || ! is_due; }
}

# By DNS alone: /etc/hosts may know a machine's own name better.
wait_until_the_name_leads_here() {
    waited=0
    until addresses=$(getent -s dns ahostsv4 "$hostname" | awk '{ print $1 }' | sort -u) &&
        printf '%s\n' "$addresses" | grep -qxF "$address"; do
        [ "$waited" -lt "$name_seconds" ] ||
            fail "$hostname leads to ${addresses:-no address} after $name_seconds seconds and has to lead to $address," \
                "because the ACME server comes to it by its name: enter the record \"$hostname. 60 IN A $address\"" \
                "where your DNS is kept, and run the update again; this machine's resolver may remember a while, often half" \
                "an hour, that it was not there"
        sleep "$name_pause"
        waited=$((waited + name_pause))
    done
}

# A certificate that nginx cannot take up would be lost, and the ACME server counts them.
check_nginx() {
    says=$(nginx -t -q -c "$nginx/nginx.conf" 2>&1) || fail "nginx refuses the configuration that it has: $says"
}

run_lego() {
    case $challenge in
        http-01) set -- --http --http.webroot "$state/challenges" ;;
        dns-01) set -- --dns exec && export EXEC_PATH="$here/cloudflare-dns.sh" EXEC_PROPAGATION_TIMEOUT=300 ;;
    esac
    rm -rf "$lego/certificates"
    # nginx' workers read the challenges; the folder of the keys is root's alone.
    (umask 022 && lego --path "$lego" --server "$server" --email "$email" --accept-tos --domains "$hostname" "$@" run) \
        >"$log" 2>&1 </dev/null
}

# From "Could not …" on, and what cloudflare-dns.sh said before; without times and steps.
reason_of_lego() {
    awk '/ Could not (obtain|complete|create|load)/{ told = 1 } told || / cloudflare: /' "$log" | grep . >"$log.reason" || tail -n 1 "$log" >"$log.reason"
    sed 's|^[0-9/]* [0-9:]* ||' "$log.reason"
}

obtain() {
    try=1
    until run_lego; do
        # Only what DNS may have to do with is worth another try; and only while someone waits for it.
        if [ "$first" = no ] || [ "$try" = "$tries" ] ||
            ! grep -Eq 'acme:error:(dns|connection|unauthorized)' "$log"; then
            fail "lego, try $try: $(reason_of_lego)"
        fi
        printf 'the ACME server did not find this machine at %s, asked again in %s seconds: %s\n' \
            "$hostname" "$try_pause" "$(reason_of_lego | tr -s '\n\t ' ' ')"
        sleep "$try_pause"
        try=$((try + 1))
    done
}

check_what_came() {
    [ "$(openssl x509 -in "$issued.crt" -noout -pubkey)" = "$(openssl pkey -in "$issued.key" -pubout)" ] ||
        fail "the certificate that came is not for the key that was made for it"
    openssl x509 -in "$issued.crt" -noout -checkhost "$hostname" | grep -q 'does match' ||
        fail "the certificate that came is not for $hostname"
    openssl x509 -in "$issued.crt" -noout -checkend 0 >/dev/null || fail "the certificate that came has ended"
}

# Replaces a link in one step.
point() {
    rm -f "$2.new"
    ln -s "$1" "$2.new"
    mv -fT "$2.new" "$2"
}

# Whichever way nginx is run here.
reload() {
    if [ "$nginx" = /etc/nginx ] && [ -d /run/systemd/system ]; then
        systemctl reload-or-restart nginx </dev/null
    else
        nginx -c "$nginx/nginx.conf" -s reload
    fi
}

fingerprint() {
    openssl x509 -noout -fingerprint -sha256
}

is_served() {
    served=$(openssl s_client -connect "127.0.0.1:$port" -servername "$hostname" </dev/null 2>/dev/null | fingerprint 2>&1) &&
        [ "$served" = "$(fingerprint <"$in_use/certificate.pem")" ]
}

take_up() {
    says=$(nginx -t -q -c "$nginx/nginx.conf" 2>&1) || return 1
    says=$(reload 2>&1) || return 1
    waited=0
    until is_served; do
        says="it does not serve it after $reload_seconds seconds"
        [ "$waited" -lt "$reload_seconds" ] || return 1
        sleep 1
        waited=$((waited + 1))
    done
}

take_into_use() {
    before=$(readlink "$in_use")
    mkdir -p "$home/certificates"
    new=$(mktemp -d "$home/certificates/XXXXXXXX")
    mv "$issued.crt" "$new/certificate.pem"
    mv "$issued.key" "$new/key.pem"
    chmod 0600 "$new"/*.pem
    printf '%s\n' "$wanted" >"$new/for"
    point "$new" "$in_use"
    if ! take_up; then
        point "$before" "$in_use"
        reload >/dev/null 2>&1 || true
        fail "nginx does not take the new one up, the one before is put back: $says"
    fi
    for old in "$home"/certificates/*; do
        case $old in
            "$new" | "$before") ;;
            *) rm -rf "$old" ;;
        esac
    done
    rm -rf "$lego/certificates"
}

[ "$(id -u)" = 0 ] || { echo "certificate not renewed: root is needed" >&2 && exit 1; }
trap '[ "$?" = 0 ] || fail "renew.sh ended before it was done"' EXIT
trap 'exit 1' HUP INT TERM
one_at_a_time
if nothing_to_do; then
    record ok
    echo "certificate of $hostname good until $(date -u -d "@$(date_of "$in_use/certificate.pem" end)" +%F), nothing to do"
    exit
fi
check_nginx
if [ -n "$address" ]; then wait_until_the_name_leads_here; fi
obtain
check_what_came
take_into_use
record ok
echo "certificate of $hostname renewed, good until $(date -u -d "@$(date_of "$in_use/certificate.pem" end)" +%F)"
