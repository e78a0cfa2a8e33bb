#!/bin/sh
# Fetches ActiveMQ Artemis from Maven Central, once, and prints its folder.
# Needs a JDK 17 and Maven; what it has is kept in
# ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
version=2.44.0
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
folder="$cache/artemis-$version"
if [ -e "$folder/bin/artemis" ]; then
	echo "$folder"
	exit 0
fi
for tool in java mvn; do
	command -v "$tool" >/dev/null || { echo "artemis: there is no $tool in PATH" >&2; exit 1; }
done
mkdir -p "$cache"
work="$(mktemp -d "$cache/artemis.XXXXXX")"
trap 'rm -rf "$work"' EXIT
(cd "$work" && mvn -q -B dependency:unpack -Dartifact="org.apache.activemq:apache-artemis:$version:zip:bin" -DoutputDirectory="$work") >&2
# Another process may have been first; its folder is as good.
mv -T "$work/apache-artemis-$version" "$folder" 2>/dev/null || [ -e "$folder/bin/artemis" ]
echo "$folder"
