#!/bin/sh
# Installs MariaDB from Debian where it is missing, and prints the path of its
# server.
set -eu
. "$(dirname "$0")/apt"
command -v mariadbd >/dev/null || apt_install mariadb mariadb-server
command -v mariadbd
