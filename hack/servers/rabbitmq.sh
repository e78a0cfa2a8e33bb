#!/bin/sh
# Installs RabbitMQ from Debian where it is missing, and prints the path of its
# server.
set -eu
. "$(dirname "$0")/apt"
PATH="$PATH:/usr/sbin"
command -v rabbitmq-server >/dev/null || apt_install rabbitmq rabbitmq-server
command -v rabbitmq-server
