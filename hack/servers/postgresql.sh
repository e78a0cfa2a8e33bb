#!/bin/sh
# Installs PostgreSQL from Debian where it is missing, and prints the path of
# its server, which Debian keeps out of PATH.
set -eu
. "$(dirname "$0")/apt"
find_server() { command -v postgres || ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null | tail -n 1; }
[ -n "$(find_server)" ] || apt_install postgresql postgresql
find_server
