#!/usr/bin/env bash
# Runs every fuzz target of the module for a while, two at once with one worker
# each: hack/fuzz.sh 30s
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export FUZZ_TIME="${1:-30s}"

# targets prints a line for each: its folder and its name.
targets() {
  local folder
  grep -rlE '^func Fuzz' --include='*_test.go' internal pkg | xargs -n1 dirname | LC_ALL=C sort -u | while IFS= read -r folder; do
    grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$folder"/*_test.go | awk -v folder="$folder" '{print folder, $2}'
  done
}

# one FOLDER NAME
one() {
  local out
  if out="$(go test "./$1" -vet=off -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZ_TIME" -fuzzminimizetime 10x -parallel 1 </dev/null 2>&1)"; then
    echo "ok    ./$1 $2: $(grep -oE 'execs: [0-9]+' <<<"$out" | tail -1)"
  else
    printf 'FAIL  ./%s %s\n%s\n' "$1" "$2" "$out"
    return 1
  fi
}
export -f one

targets | xargs -P 2 -L 1 bash -c 'one "$@"' _
