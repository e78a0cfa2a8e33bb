#!/bin/sh
# Installs beanstalkd from Debian where it is missing, and prints its path.
set -eu
. "$(dirname "$0")/apt"
command -v beanstalkd >/dev/null || apt_install beanstalkd beanstalkd
command -v beanstalkd
