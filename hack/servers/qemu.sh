#!/bin/sh
# Installs QEMU's emulators of single programs from Debian where one is missing,
# and prints the path of one: with them the programs for other processors run.
set -eu
. "$(dirname "$0")/apt"
missing=""
for processor in x86_64 aarch64 arm; do
	command -v "qemu-$processor" >/dev/null || missing="qemu-user"
done
[ -z "$missing" ] || apt_install qemu "$missing"
command -v qemu-arm
