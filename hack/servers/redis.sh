#!/bin/sh
# Installs Debian's Redis and Redis Sentinel where they are missing, and prints
# the path of the server.
set -eu
. "$(dirname "$0")/apt"
missing=""
for tool in redis-server redis-sentinel; do
	command -v "$tool" >/dev/null || missing="$missing $tool"
done
# shellcheck disable=SC2086 # names without spaces
[ -z "$missing" ] || apt_install redis $missing
command -v redis-server
