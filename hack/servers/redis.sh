#!/bin/sh
# Installs Debian's Redis and Redis Sentinel when they are missing, which needs
# root. Their services are not started; tests run servers of their own.
set -eu
missing=""
for tool in redis-server redis-sentinel; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -z "$missing" ]; then
	command -v redis-server
	exit 0
fi
[ "$(id -u)" -eq 0 ] || { echo "redis: there is no$missing in PATH, and only root can install it" >&2; exit 1; }
command -v apt-get >/dev/null || { echo "redis: there is no$missing in PATH, and no apt-get to install it" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
# policy-rc.d answers 101 so that the package starts no service; one that is
# there already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
# shellcheck disable=SC2086 # names without spaces
apt-get install -y -qq --no-install-recommends $missing >&2
command -v redis-server
