#!/bin/sh
# Resolves Apache Kafka from Maven Central, once, and prints the folder of its
# jars; see maven.
set -eu
. "$(dirname "$0")/maven"
maven_jars org.apache.kafka kafka_2.13 4.1.1
