#!/bin/sh
# Finds Google's Pub/Sub emulator and prints the path of its jar. Google ships
# it with the Cloud SDK only (package google-cloud-cli-pubsub-emulator of its
# own Debian repository), so it is not installed here. Needs Java.
set -eu
command -v java >/dev/null || { echo "pubsub: there is no java in PATH" >&2; exit 1; }
roots="${CLOUDSDK_ROOT_DIR:-} /usr/lib/google-cloud-sdk /usr/share/google-cloud-sdk /opt/google-cloud-sdk $HOME/google-cloud-sdk"
if command -v gcloud >/dev/null; then
	roots="$roots $(dirname "$(dirname "$(readlink -f "$(command -v gcloud)")")")"
fi
for root in $roots; do
	for jar in "$root"/platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar; do
		if [ -e "$jar" ]; then
			echo "$jar"
			exit 0
		fi
	done
done
echo "pubsub: there is no emulator; install it with: gcloud components install pubsub-emulator" >&2
exit 1
