#!/bin/sh
# Fetches ActiveMQ Artemis from Maven Central, once, and prints its folder; see
# maven.
set -eu
. "$(dirname "$0")/maven"
maven_unpack org.apache.activemq apache-artemis 2.44.0
