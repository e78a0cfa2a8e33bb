#!/bin/sh
# Installs PostgreSQL from Debian where it is missing, and prints the path of
# its server, which Debian keeps out of PATH.
set -eu
find_server() { command -v postgres || ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null | tail -n 1; }
if [ -z "$(find_server)" ]; then
	command -v apt-get >/dev/null || { echo "postgresql: install postgres and initdb" >&2; exit 1; }
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >&2
fi
find_server
