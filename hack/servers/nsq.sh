#!/bin/sh
# Builds nsqd and nsqlookupd, once, and prints their folder. Their module has
# to be asked for by its exact version and needs a replacement, so they are
# built from the small module in hack/servers/nsq; the result is kept in
# ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
version=1.3.0
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
folder="$cache/nsq-$version"
if [ -x "$folder/nsqd" ] && [ -x "$folder/nsqlookupd" ]; then
	echo "$folder"
	exit 0
fi
command -v go >/dev/null || { echo "nsq: there is no go in PATH" >&2; exit 1; }
mkdir -p "$cache"
work="$(mktemp -d "$cache/nsq.XXXXXX")"
trap 'rm -rf "$work"' EXIT
source="$(cd "$(dirname "$0")/nsq" && pwd)"
mkdir "$work/module" "$work/bin"
cp "$source/go.mod" "$source/go.sum" "$work/module/"
for program in nsqd nsqlookupd; do
	(cd "$work/module" && GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$work/bin/$program" "github.com/nsqio/nsq/apps/$program") >&2
done
# Another process may have been first; its folder is as good.
mv -T "$work/bin" "$folder" 2>/dev/null || [ -x "$folder/nsqd" ]
echo "$folder"
