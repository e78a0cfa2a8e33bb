#!/usr/bin/env bash
# Installs the servers that tests run against: every script in hack/servers, one
# after the other, since most of them share the machine's package manager.
# Each is idempotent and cheap when its server is there already. One that can't
# install here is named; that fails the run where CI=true, and elsewhere the
# tests of that server are skipped by name.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/servers"

missing=()
for script in *.sh; do
  log="$(mktemp)"
  if sh "./$script" >/dev/null 2>"$log" </dev/null; then
    echo "server ${script%.sh}: ready"
  else
    missing+=("${script%.sh}")
    echo "server ${script%.sh}: NOT installed; its tests can't run" >&2
    tail -n 5 "$log" >&2
  fi
  rm -f "$log"
done
if ((${#missing[@]} > 0)) && [[ "${CI:-}" == true ]]; then
  echo "CI needs all servers; missing: ${missing[*]}" >&2
  exit 1
fi
