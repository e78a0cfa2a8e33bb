#!/bin/sh
# Finds moto_server, or installs it once, and prints its path. It plays SQS,
# CloudWatch, Kinesis, DynamoDB and STS. Needs Python 3 with venv where there
# is none in PATH; what it installs is kept in
# ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
version=5.2.5
if command -v moto_server; then
	exit 0
fi
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
folder="$cache/moto-$version"
if [ -e "$folder/complete" ]; then
	echo "$folder/bin/moto_server"
	exit 0
fi
command -v python3 >/dev/null || { echo "moto: there is no python3 in PATH" >&2; exit 1; }
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
