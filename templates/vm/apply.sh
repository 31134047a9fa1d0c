#!/bin/sh
# Takes one release of the relay Nginx into use: write aside, nginx -t, swap, reload, ask it, put back if it refuses.
# A release with ACME gets its certificate afterwards, by renew.sh; until then a placeholder that nobody trusts.
# Runs on the relay's machine as root; laid by nobody, sent over SSH by components/overseas/nginx-relay.ts.
# Standard input: one line a file, "<octal mode> <path> <base64>". Holds no secret itself and prints none.
set -eu
umask 077
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

# Others only where this is tried out.
etc=${DOCKERMIRROR_NGINX:-/etc/nginx}
home=${DOCKERMIRROR_HOME:-/etc/dockermirror}
resolv=${DOCKERMIRROR_RESOLV:-/etc/resolv.conf}
# Seconds in which the new release must answer.
patience=${DOCKERMIRROR_PATIENCE:-15}
# Seconds that another apt may take, as after a first boot.
apt_seconds=300

module=/usr/lib/nginx/modules/ngx_http_js_module.so
original=$etc/nginx.conf.before-dockermirror

fail() {
    printf 'relay not changed: %s\n' "$*" >&2
    exit 1
}

write_files() {
    mkdir -p "$home/releases"
    release_dir=$(mktemp -d "$home/releases/XXXXXXXX")
    trap 'rm -rf "$release_dir"' EXIT
    while read -r mode path content; do
        case $path in
            '' | /* | *..* | *[!A-Za-z0-9._/-]*) fail "not a path within a release: $path" ;;
        esac
        mkdir -p "$(dirname "$release_dir/$path")"
        printf %s "$content" | base64 -d >"$release_dir/$path" || fail "not a line of a release: $path"
        chmod "$mode" "$release_dir/$path"
    done
    [ -s "$release_dir/release" ] || fail "no release came in on standard input"
    read -r release strangers <"$release_dir/release"
}

with_acme() {
    [ -e "$release_dir/acme.sh" ]
}

programs_are_there() {
    for program in nginx curl openssl "$@"; do
        command -v "$program" >/dev/null || return 1
    done
    [ -e "$module" ]
}

# apt waits for the lock of dpkg by itself, and not for the one of its lists.
update_lists() {
    waited=0
    until apt-get -q update; do
        grep -q 'lists/lock' "$home/apt.log" && [ "$waited" -lt "$apt_seconds" ] || return 1
        sleep 2
        waited=$((waited + 2))
        : >"$home/apt.log"
    done
}

install_programs() {
    set --
    # Without it the logs would fill the disk. Where this is tried out, they are the machine's own.
    if [ "$etc" = /etc/nginx ]; then set -- logrotate; fi
    if with_acme; then set -- "$@" lego; fi
    if programs_are_there "$@"; then return; fi
    command -v apt-get >/dev/null ||
        fail "what is needed is not all there: nginx, its njs module ($module), curl, openssl${1+, }$*; and this machine has no apt-get to install it"
    export DEBIAN_FRONTEND=noninteractive
    : >"$home/apt.log"
    {
        update_lists &&
            apt-get -q -y -o "DPkg::Lock::Timeout=$apt_seconds" install nginx libnginx-mod-http-js curl openssl ca-certificates "$@"
    } >>"$home/apt.log" 2>&1 </dev/null || fail "apt-get: $(tail -n 5 "$home/apt.log")"
}

# nginx asks DNS by itself and needs to be told where: the machine's own servers, but for those that are only known on one
# interface (fe80::1%eth0), which it refuses.
write_resolver() {
    servers=$(awk '$1 == "nameserver" && $2 !~ /%/ { print $2 ~ /:/ ? "[" $2 "]" : $2 }' "$resolv" | tr '\n' ' ')
    [ -n "$servers" ] || fail "$resolv names no nameserver that nginx can ask"
    printf 'resolver %sipv6=off;\n' "$servers" >"$release_dir/resolver.conf"
}

# By these doctor.sh tells what was changed by hand. Only what everybody may read is kept twice.
write_sums() {
    (
        cd "$release_dir"
        mkdir as-laid
        find . -type f -perm -004 ! -path './as-laid/*' -printf '%P\n' | xargs cp --parents -t as-laid
        find . -type f ! -path './as-laid/*' ! -name sums ! -name key.curl -printf '%P\n' | xargs sha256sum >sums
    )
}

# nginx starts with no other certificate, and without nginx there is no HTTP-01.
lay_placeholder() {
    with_acme || return 0
    . "$release_dir/machine.sh"
    install -d -m 0755 "$state" "$state/challenges"
    install -d -m 0700 "$state/acme"
    if [ -e "$certificate_folder/certificate.pem" ]; then return; fi
    placeholder=$home/certificates/placeholder
    mkdir -p "$placeholder"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=placeholder \
        -keyout "$placeholder/key.pem" -out "$placeholder/certificate.pem" 2>"$home/says" || fail "$(cat "$home/says")"
    point "$placeholder" "$certificate_folder"
}

# Replaces a link in one step.
point() {
    rm -f "$2.new"
    ln -s "$1" "$2.new"
    mv -fT "$2.new" "$2"
}

try_aside() {
    rm -rf "$home/try"
    mkdir "$home/try"
    ln -s "$release_dir" "$home/try/relay"
    ln -s relay/nginx.conf "$home/try/nginx.conf"
    nginx -t -q -c "$home/try/nginx.conf" 2>"$home/says" || fail "$(cat "$home/says")"
}

# What was changed on the machine is not lost without a word.
tell_edits() {
    edits=$(sh "$release_dir/doctor.sh" --edits) || return 0
    [ -z "$edits" ] || printf '%s\nreplaced now, kept until the next update in %s\n' "$edits" "$previous" >&2
}

swap() {
    previous=$(readlink "$etc/relay" || true)
    tell_edits
    if [ ! -L "$etc/nginx.conf" ] && [ -e "$etc/nginx.conf" ] && [ ! -e "$original" ]; then
        cp -p "$etc/nginx.conf" "$original"
    fi
    log=$(awk '$1 == "error_log" { print $2 }' "$release_dir/nginx.conf")
    log_end=$(cat "$log" 2>/dev/null | wc -c)
    trap 'put_back' EXIT
    point "$release_dir" "$etc/relay"
    point relay/nginx.conf "$etc/nginx.conf"
}

# Whichever way nginx is run here; it may not run yet.
take_up() {
    if [ "$etc" = /etc/nginx ] && [ -d /run/systemd/system ]; then
        systemctl enable -q nginx 2>"$home/says" && systemctl reload-or-restart nginx 2>"$home/says" </dev/null
    else
        nginx -c "$etc/nginx.conf" -s reload 2>/dev/null || nginx -c "$etc/nginx.conf" 2>"$home/says"
    fi
}

ask() {
    (cd "$release_dir" && curl -q -sS --max-time 5 --config ask.curl -o /dev/null "$@") 2>"$home/says"
}

# True when the release that answers is this one, to those with a key and only to them.
answers() {
    : >"$home/says"
    status=$(ask -w '%{http_code}') || return 1
    [ "$status" = "$strangers" ] || {
        echo "it answers a caller without a key by $status in place of $strangers" >"$home/says"
        return 1
    }
    headers=$(ask --config key.curl -D -) || return 1
    case $headers in
        HTTP/*" 200"*) ;;
        *) printf 'it answers a caller with a key by: %s\n' "$headers" | head -n 1 >"$home/says" && return 1 ;;
    esac
    printf '%s' "$headers" | tr -d '\r' | grep -qi "^x-dockermirror-release: $release\$" || {
        echo "a release before this one still answers" >"$home/says"
        return 1
    }
}

# A reload is over when the new workers answer: asked until then.
ask_until_it_answers() {
    tries=0
    until answers; do
        tries=$((tries + 1))
        [ "$tries" -lt "$patience" ] || return 1
        sleep 1
    done
}

put_back() {
    trap - EXIT
    reason=$(cat "$home/says"; errors_of_nginx)
    if [ -n "$previous" ]; then
        point "$previous" "$etc/relay"
    else
        rm -f "$etc/relay" "$etc/nginx.conf"
        if [ -e "$original" ]; then mv "$original" "$etc/nginx.conf"; fi
    fi
    if [ -e "$etc/nginx.conf" ]; then take_up || true; fi
    rm -rf "$release_dir" "$home/try" "$home/says"
    fail "put back, because $reason"
}

# What nginx could not do on a reload is only in its log.
errors_of_nginx() {
    if [ -e "$log" ]; then tail -c "+$((log_end + 1))" "$log" | grep -F '[emerg]' | tail -n 2; fi
}

# What systemd does for the relay: nginx comes back after a crash; with ACME, the timer of renew.sh.
lay_units() {
    units=/etc/systemd/system
    if [ "$etc" != /etc/nginx ] || [ ! -d /run/systemd/system ]; then return; fi
    install -D -m 0644 "$release_dir/nginx-restart.conf" "$units/nginx.service.d/dockermirror.conf"
    install -D -m 0644 "$release_dir/logrotate-timer.conf" "$units/logrotate.timer.d/dockermirror.conf"
    if with_acme; then
        install -m 0644 "$release_dir/dockermirror-renew.service" "$release_dir/dockermirror-renew.timer" "$units"
    elif [ -e "$units/dockermirror-renew.timer" ]; then
        systemctl disable -q --now dockermirror-renew.timer 2>"$home/says"
        rm -f "$units/dockermirror-renew.service" "$units/dockermirror-renew.timer"
    fi
    systemctl daemon-reload 2>"$home/says"
    systemctl try-restart logrotate.timer 2>"$home/says"
    if with_acme; then systemctl enable -q --now dockermirror-renew.timer 2>"$home/says"; fi
}

# Its metrics would tell of a certificate that nobody sees any more.
leave_acme() {
    if with_acme || [ ! -e "$previous/acme.sh" ]; then return; fi
    . "$previous/acme.sh"
    rm -f "$metrics/dockermirror.prom"
}

tidy() {
    trap - EXIT
    # Only the digest of a key stays here.
    rm -f "$release_dir/key.curl"
    rm -rf "$home/try" "$home/says"
    for old in "$home"/releases/*; do
        case $old in
            "$release_dir" | "$previous") ;;
            *) rm -rf "$old" ;;
        esac
    done
    if [ "$etc" = /etc/nginx ] && [ -d /etc/logrotate.d ]; then
        install -m 0644 "$release_dir/logrotate" /etc/logrotate.d/dockermirror
    fi
}

trap 'exit 1' HUP INT TERM
[ "$(id -u)" = 0 ] || fail "root is needed"
write_files
install_programs
write_resolver
write_sums
lay_placeholder
try_aside
swap
take_up
ask_until_it_answers
lay_units
leave_acme
tidy
echo "relay release $release answers"
