#!/bin/sh
# Finds moto_server, or installs it once, and prints its path. It plays SQS,
# CloudWatch, Kinesis, DynamoDB and STS. Needs Python 3 with venv where there
# is none in PATH; see cache.
set -eu
. "$(dirname "$0")/cache"
version=5.2.5
if command -v moto_server; then
	exit 0
fi
folder="$cache/moto-$version"
if [ -e "$folder/complete" ]; then
	echo "$folder/bin/moto_server"
	exit 0
fi
needs python3
mkdir -p "$cache"
# A venv can't be moved, so it is made in place; the lock keeps others out.
exec 9>"$cache/moto.lock"
flock 9
if [ ! -e "$folder/complete" ]; then
	rm -rf "$folder"
	python3 -m venv "$folder" >&2
	"$folder/bin/pip" install --quiet --disable-pip-version-check "moto[server]==$version" >&2
	touch "$folder/complete"
fi
echo "$folder/bin/moto_server"
