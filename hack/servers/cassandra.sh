#!/bin/sh
# Resolves Apache Cassandra from Maven Central, once, and prints the folder of
# its jars; see maven.
set -eu
. "$(dirname "$0")/maven"
maven_jars org.apache.cassandra cassandra-all 5.0.8
