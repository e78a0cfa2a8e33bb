#!/bin/sh
# Installs MariaDB from Debian where it is missing, and prints the path of its
# server.
set -eu
if ! command -v mariadbd >/dev/null; then
	command -v apt-get >/dev/null || { echo "mariadb: install mariadbd and mariadb-install-db" >&2; exit 1; }
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server >&2
fi
command -v mariadbd
