#!/bin/sh
# Installs ActiveMQ and Jolokia from Debian where they are missing, and prints
# the folder of the broker's jars. Tests run brokers of their own.
set -eu
. "$(dirname "$0")/apt"
jars=/usr/share/activemq/lib
[ -e "$jars/activemq-broker.jar" ] && [ -e /usr/share/java/jolokia-core.jar ] && command -v java >/dev/null ||
	apt_install activemq activemq libjolokia-core-java default-jre-headless
echo "$jars"
