#!/bin/sh
# Installs Mosquitto from Debian where it is missing, and prints the path of its
# server.
set -eu
PATH="$PATH:/usr/sbin"
if ! command -v mosquitto >/dev/null; then
	command -v apt-get >/dev/null || { echo "mosquitto: install mosquitto" >&2; exit 1; }
	apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mosquitto >&2
fi
command -v mosquitto
