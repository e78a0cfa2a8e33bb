#!/bin/sh
# Installs MIT Kerberos' KDC from Debian where it is missing, and prints the
# path of its server.
set -eu
. "$(dirname "$0")/apt"
PATH="$PATH:/usr/sbin"
missing=""
command -v krb5kdc >/dev/null || missing="krb5-kdc"
command -v kadmin.local >/dev/null || missing="$missing krb5-admin-server"
# shellcheck disable=SC2086 # names without spaces
[ -z "$missing" ] || apt_install krb5 $missing
command -v krb5kdc
