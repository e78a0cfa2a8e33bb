#!/bin/sh
# Installs MIT Kerberos' KDC from Debian where it is missing, and prints the
# path of its server. Its service is not started; tests run KDCs of their own.
set -eu
PATH="$PATH:/usr/sbin"
missing=""
command -v krb5kdc >/dev/null || missing="krb5-kdc"
command -v kadmin.local >/dev/null || missing="$missing krb5-admin-server"
if [ -z "$missing" ]; then
	command -v krb5kdc
	exit 0
fi
[ "$(id -u)" -eq 0 ] || { echo "krb5: install$missing; only root can" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "krb5: install$missing; there is no apt-get" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
# policy-rc.d answers 101 so that the packages start no service; one that is
# there already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
# shellcheck disable=SC2086 # names without spaces
apt-get install -y -qq --no-install-recommends $missing >&2
command -v krb5kdc
