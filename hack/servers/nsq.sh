#!/bin/sh
# Builds nsqd and nsqlookupd, once, and prints their folder; see go. Their module
# has to be asked for by its exact version and needs a replacement, which the
# small module does.
set -eu
. "$(dirname "$0")/go"
folder="$cache/nsq-1.3.0"
for program in nsqd nsqlookupd; do
	go_build "$(dirname "$0")/nsq" "github.com/nsqio/nsq/apps/$program" "$folder/$program"
done
echo "$folder"
