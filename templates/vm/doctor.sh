#!/bin/sh
# Looks the relay's machine over and changes nothing. One line a finding: "ok", "note" (good to know) or "wrong", what was
# looked at, what was found. Ends with 1 when something is wrong. Runs as root.
# Lands as /etc/nginx/relay/doctor.sh; laid by templates/vm/apply.sh, which asks it what it is about to replace.
#
#   doctor.sh          everything
#   doctor.sh --edits  only what was changed by hand since apply.sh laid it, with the differences
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

here=$(readlink -f "$(dirname "$0")")
. "$here/machine.sh"

running=$nginx/relay
# Percent of the disk: above, nginx' logs and apt have little left.
disk_percent=90
# Days that a certificate which nobody renews by itself should have left.
certificate_days=30
# Days after which a pending reboot has missed its window.
reboot_days=2

verdict=0

say() {
    printf '%-5s  %-13s  %s\n' "$@"
    if [ "$1" = wrong ]; then verdict=1; fi
}

# Names of the running release's files that are not as they were laid, or were not laid at all. Nothing for a release of a
# version that kept no sums.
edited_files() {
    [ -e "$running/sums" ] || return 0
    (
        cd "$running/"
        sha256sum --check --quiet sums 2>/dev/null | sed -n 's/: FAILED.*//p'
        find . -type f ! -path './as-laid/*' ! -name sums -printf '%P\n' | while read -r file; do
            awk -v file="$file" '$2 == file { known = 1 } END { exit !known }' sums || echo "$file"
        done
    )
}

# What of a file may be shown: secret ones are not among as-laid.
difference() {
    if [ -e "$running/as-laid/$1" ]; then
        (cd "$running/" && diff -u --label "$1, as laid" --label "$1, as it is" "as-laid/$1" "$1" 2>&1) || true
    fi
}

links_are_whole() {
    [ "$(readlink "$nginx/nginx.conf")" = relay/nginx.conf ] && case $(readlink "$running") in
        "$home"/releases/*) [ -e "$running/release" ] ;;
        *) false ;;
    esac
}

tell_edits() {
    if [ -L "$running" ] && ! [ -L "$nginx/nginx.conf" ]; then
        echo "edited by hand: $nginx/nginx.conf, a file where a link was"
        diff -u --label "nginx.conf, as laid" --label "nginx.conf, as it is" "$running/nginx.conf" "$nginx/nginx.conf" || true
    fi
    edited_files | while read -r file; do
        echo "edited by hand: $running/$file"
        difference "$file"
    done
}

look_at_files() {
    edits=$(edited_files | tr '\n' ' ')
    if [ -n "$edits" ]; then
        say wrong files "edited by hand, which the next change of the stack's files replaces: ${edits% } (doctor.sh --edits shows how)"
    elif [ -e "$running/sums" ]; then
        say ok files "as they were laid"
    else
        say wrong files "$running/sums is not there"
    fi
    if links_are_whole; then
        say ok links "$nginx/nginx.conf leads to the release"
    else
        say wrong links "$nginx/nginx.conf or $running does not lead to a release"
    fi
}

look_at_nginx() {
    if says=$(nginx -t -q -c "$nginx/nginx.conf" 2>&1); then
        say ok configuration "nginx accepts it"
    else
        say wrong configuration "$(printf %s "$says" | head -n 1)"
    fi
    read -r release strangers <"$running/release"
    if ! headers=$(cd "$running/" && curl -q -sS --max-time 5 --config ask.curl -o /dev/null -D - 2>&1); then
        say wrong nginx "$headers"
        return
    fi
    headers=$(printf %s "$headers" | tr -d '\r')
    case $headers in
        HTTP/*" $strangers"*) ;;
        *) say wrong nginx "answers a caller without a key by $(printf %s "$headers" | head -n 1) in place of $strangers" && return ;;
    esac
    if printf %s "$headers" | grep -qi "^x-dockermirror-release: $release\$"; then
        say ok nginx "answers with release $release"
    else
        say wrong nginx "does not answer with the release that lies here"
    fi
}

fingerprint() {
    openssl x509 -noout -fingerprint -sha256
}

date_of() {
    date -d "$(openssl x509 -in "$certificate_folder/certificate.pem" -noout "-${1}date" | cut -d = -f 2)" +%s
}

look_at_certificate() {
    if ! end=$(date_of end 2>/dev/null) || ! start=$(date_of start); then
        say wrong certificate "$certificate_folder/certificate.pem cannot be read"
        return
    fi
    left=$(((end - $(date +%s)) / 86400))
    ends="$left days left, until $(date -u -d "@$end" +%F)"
    served=$(openssl s_client -connect "127.0.0.1:$port" -servername "$hostname" </dev/null 2>/dev/null | fingerprint 2>&1) || true
    if [ "$served" != "$(fingerprint <"$certificate_folder/certificate.pem")" ]; then
        say wrong certificate "nginx does not serve the one that lies here: nginx -s reload"
    elif [ -e "$here/acme.sh" ] && [ ! -e "$certificate_folder/for" ]; then
        say wrong certificate "none yet but a placeholder that nobody trusts: sh $running/renew.sh --force"
    # It falls due when a third is left: it should have been renewed for a while.
    elif [ -e "$here/acme.sh" ] && [ $(((end - $(date +%s)) * 4)) -le $((end - start)) ]; then
        say wrong certificate "$ends: it was not renewed in time"
    elif [ ! -e "$here/acme.sh" ] && [ "$left" -lt "$certificate_days" ]; then
        say wrong certificate "$ends: give the stack a new one, or renew the private CA's by an update"
    else
        say ok certificate "$ends"
    fi
}

look_at_renewal() {
    [ -e "$here/acme.sh" ] || return 0
    if [ -d /run/systemd/system ]; then
        if systemctl is-active -q dockermirror-renew.timer; then
            say ok timer "$(systemctl show -p NextElapseUSecRealtime --value dockermirror-renew.timer) is the next look at the certificate"
        else
            say wrong timer "dockermirror-renew.timer does not run: systemctl enable --now dockermirror-renew.timer"
        fi
    fi
    if ! read -r when how why 2>/dev/null <"$state/renewal"; then
        say wrong renewal "never tried: sh $running/renew.sh"
        return
    fi
    when=$(date -u -d "@$when" '+%F %R UTC')
    if [ "$how" = ok ]; then
        say ok renewal "last look $when"
    else
        say wrong renewal "failed $when: $why"
    fi
}

# Hosts that upstreams sent a pull to and that the relay does not know, in the log of now: each is a pull that failed.
look_at_redirects() {
    refused=$(sed -n 's/.*"upstream":"\([a-z0-9.-]*\)".*"refusedRedirect":"\([^"][^"]*\)".*/\1 redirects to \2/p' "$access_log" 2>/dev/null |
        sort | uniq -c | sort -rn | awk '{ times = $1; $1 = ""; printf "%s%s (%d)", separator, substr($0, 2), times; separator = ", " }')
    if [ -n "$refused" ]; then
        say note redirects "$refused: refused, since its table does not have the host; where it is the upstream's own, add it to the stack's redirectHosts"
    fi
}

look_at_machine() {
    used=$(df -P / | awk 'NR == 2 { print $5 + 0 }')
    if [ "$used" -le "$disk_percent" ]; then
        say ok disk "$used % of / used"
    else
        say wrong disk "$used % of / used"
    fi
    if [ -e /run/reboot-required ]; then
        if [ -n "$(find /run/reboot-required -mtime "+$reboot_days")" ]; then
            say wrong reboot "wanted by an upgrade for more than $reboot_days days"
        else
            say note reboot "wanted by an upgrade, done in the next window"
        fi
    else
        say ok reboot "none pending"
    fi
    if command -v unattended-upgrade >/dev/null &&
        apt-config dump APT::Periodic::Unattended-Upgrade | grep -q '"[1-9a-z][^"]*"'; then
        say ok upgrades "security upgrades are installed by themselves"
    else
        say wrong upgrades "security upgrades are not installed by themselves: apt-get install unattended-upgrades"
    fi
}

if [ "${1-}" = --edits ]; then
    tell_edits
    exit
fi
[ "$(id -u)" = 0 ] || { echo "doctor.sh: root is needed" >&2 && exit 2; }
look_at_files
look_at_nginx
look_at_certificate
look_at_renewal
look_at_redirects
look_at_machine
exit "$verdict"
