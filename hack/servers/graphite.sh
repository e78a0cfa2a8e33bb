#!/bin/sh
# Installs Graphite from Debian where it is missing: carbon, which takes samples,
# and the web application, which answers queries. Prints carbon's path.
set -eu
. "$(dirname "$0")/apt"
[ -e /usr/bin/carbon-cache ] && [ -e /usr/lib/python3/dist-packages/graphite/settings.py ] || apt_install graphite graphite-carbon graphite-web
echo /usr/bin/carbon-cache
