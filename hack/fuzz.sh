#!/usr/bin/env bash
# Runs every fuzz target of the module for a while: hack/fuzz.sh 30s
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time="${1:-30s}"
grep -rlE '^func Fuzz' --include='*_test.go' internal pkg | xargs -n1 dirname | sort -u | while IFS= read -r folder; do
  grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go | awk '{print $2}' | while IFS= read -r target; do
    echo "== ./$folder $target"
    go test "./$folder" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x </dev/null
  done
done
