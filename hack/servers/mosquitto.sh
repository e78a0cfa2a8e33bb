#!/bin/sh
# Installs Mosquitto from Debian where it is missing, and prints the path of its
# server.
set -eu
. "$(dirname "$0")/apt"
PATH="$PATH:/usr/sbin"
command -v mosquitto >/dev/null || apt_install mosquitto mosquitto
command -v mosquitto
