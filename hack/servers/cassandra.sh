#!/bin/sh
# Resolves Apache Cassandra from Maven Central, once, and prints the folder of
# its jars. Needs a JDK 17 and Maven; what it has is kept in
# ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
version=5.0.8
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
folder="$cache/cassandra-$version"
if [ -e "$folder/complete" ]; then
	echo "$folder"
	exit 0
fi
for tool in java mvn; do
	command -v "$tool" >/dev/null || { echo "cassandra: there is no $tool in PATH" >&2; exit 1; }
done
mkdir -p "$cache"
work="$(mktemp -d "$cache/cassandra.XXXXXX")"
trap 'rm -rf "$work"' EXIT
cat >"$work/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>keda.test</groupId>
  <artifactId>cassandra-server</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.cassandra</groupId>
      <artifactId>cassandra-all</artifactId>
      <version>$version</version>
    </dependency>
  </dependencies>
</project>
POM
mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$work/jars" >&2
touch "$work/jars/complete"
# Another process may have been first; its folder is as good.
mv -T "$work/jars" "$folder" 2>/dev/null || [ -e "$folder/complete" ]
echo "$folder"
