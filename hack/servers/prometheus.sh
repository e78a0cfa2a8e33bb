#!/bin/sh
# Installs Debian's Prometheus where it is missing, and prints its path.
set -eu
. "$(dirname "$0")/apt"
command -v prometheus >/dev/null || apt_install prometheus prometheus
command -v prometheus
