#!/bin/sh
# Installs PouchDB Server from its lockfile, once, and prints the path of its program
# for node. It answers CouchDB's HTTP API. Needs Node.js and npm; what it
# installs is kept in ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
here="$(cd "$(dirname "$0")" && pwd)/couchdb"
version="$(sed -n 's/.*"pouchdb-server": "\([0-9.]*\)".*/\1/p' "$here/package.json")"
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
folder="$cache/couchdb-$version"
program="$folder/node_modules/pouchdb-server/bin/pouchdb-server"
if [ -e "$folder/complete" ]; then
	echo "$program"
	exit 0
fi
for tool in node npm; do
	command -v "$tool" >/dev/null || { echo "couchdb: there is no $tool in PATH" >&2; exit 1; }
done
mkdir -p "$cache"
work="$(mktemp -d "$cache/couchdb.XXXXXX")"
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$work/"
# Without its optional packages it keeps all in memory, and nothing is compiled.
(cd "$work" && npm ci --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund --loglevel=error) >&2
touch "$work/complete"
# Another process may have been first; its folder is as good.
mv -T "$work" "$folder" 2>/dev/null || [ -e "$folder/complete" ]
echo "$program"
