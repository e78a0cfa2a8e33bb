#!/bin/sh
# Installs Debian's Prometheus, unless a prometheus is in PATH already.
set -eu
command -v prometheus >/dev/null && exit 0
command -v apt-get >/dev/null || { echo "prometheus: install it and put it into PATH; there is no apt-get here" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "prometheus: run as root, or install the package prometheus" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
[ -n "$(find /var/lib/apt/lists -name '*Packages*' -print -quit 2>/dev/null)" ] || apt-get update >&2
policy=/usr/sbin/policy-rc.d # answers 101, so that the package starts no service
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
apt-get install -y --no-install-recommends prometheus >&2
