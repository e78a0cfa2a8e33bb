#!/bin/sh
# Installs the stand-in for Azure Event Hubs from its lockfile, once, and
# prints the path of its program for node. Needs Node.js and npm; what it
# installs is kept in ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
here="$(cd "$(dirname "$0")" && pwd)/eventhub"
digest="$(cat "$here/package-lock.json" "$here/server.js" | cksum | cut -d' ' -f1)"
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
folder="$cache/eventhub-$digest"
program="$folder/server.js"
if [ -e "$folder/complete" ]; then
	echo "$program"
	exit 0
fi
for tool in node npm; do
	command -v "$tool" >/dev/null || { echo "eventhub: there is no $tool in PATH" >&2; exit 1; }
done
mkdir -p "$cache"
work="$(mktemp -d "$cache/eventhub.XXXXXX")"
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$here/server.js" "$work/"
(cd "$work" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error) >&2
touch "$work/complete"
# Another process may have been first; its folder is as good.
mv -T "$work" "$folder" 2>/dev/null || [ -e "$folder/complete" ]
echo "$program"
