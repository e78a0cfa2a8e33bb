#!/bin/sh
# Installs Azurite from its lockfile, once, and prints the path of its program
# for node. It plays Azure's queues and blobs. Needs Node.js and npm; what it
# installs is kept in ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
here="$(cd "$(dirname "$0")" && pwd)/azurite"
version="$(sed -n 's/.*"azurite": "\([0-9.]*\)".*/\1/p' "$here/package.json")"
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
folder="$cache/azurite-$version"
program="$folder/node_modules/azurite/dist/src/azurite.js"
if [ -e "$folder/complete" ]; then
	echo "$program"
	exit 0
fi
for tool in node npm; do
	command -v "$tool" >/dev/null || { echo "azurite: there is no $tool in PATH" >&2; exit 1; }
done
mkdir -p "$cache"
work="$(mktemp -d "$cache/azurite.XXXXXX")"
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$work/"
# None of its packages needs its install script here.
(cd "$work" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error) >&2
touch "$work/complete"
# Another process may have been first; its folder is as good.
mv -T "$work" "$folder" 2>/dev/null || [ -e "$folder/complete" ]
echo "$program"
