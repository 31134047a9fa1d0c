# What doctor.sh and renew.sh need to know of this machine. Lands as /etc/nginx/relay/machine.sh; laid by apply.sh.
# shellcheck shell=sh disable=SC2034
hostname={{ hostname }}
port={{ port }}
nginx={{ nginx }}
home={{ home }}
state={{ state }}
# Of certificate.pem and key.pem, as nginx reads them.
certificate_folder={{ certificateFolder }}
# nginx' request log, one JSON object a line.
access_log={{ accessLog }}
