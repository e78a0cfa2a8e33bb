#!/usr/bin/env bash
# Runs all tests with the race detector, and lists every test that was skipped.
# Where CI=true a skipped test is a failure: the servers were expected to run.
# A test that fails is run once more, unless it found a race or many fail; one
# that passes then is named, since a test that may fail wants mending.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export KEDA_LOCALPLANE="${KEDA_LOCALPLANE:-$(hack/localplane.sh path)}"
export KEDA_TEST_REAL=1 # the real Kafka too, not only the one in process
results="$(mktemp -d)"
trap 'rm -rf "$results"' EXIT
failed=0
needs_pubsub='/pkg/scalers/gcp TestPubsubEmulator|/test/e2e TestBrokers/gcp-pubsub$'

gotestsum="$(go tool -modfile=hack/tools/go.mod -n gotestsum)"

# run NAME PACKAGES FLAGS…: one suite after the other, since two suites at once
# would fight over two cores and make every deadline a guess.
run() {
  local name="$1" packages="$2"
  shift 2
  echo "== $name"
  "$gotestsum" --format=pkgname --hide-summary=skipped --jsonfile="$results/$name.json" --packages="$packages" \
    --rerun-fails=1 --rerun-fails-max-failures=5 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race \
    --rerun-fails-report="$results/$name.again" -- "$@" || failed=1
}

mapfile -t rest < <(go list ./... | grep -v -e /pkg/scalers/ -e /test/e2e -e /test/install -e /test/ha -e /test/servers/)
mapfile -t sources < <(go list ./pkg/scalers/... ./test/servers/...)
run unit "${rest[*]}" -race
run sources "${sources[*]}" -race -p 2 -timeout 15m
# The timeout has room for the first compilation for another processor.
run e2e "./test/e2e/... ./test/install/... ./test/ha/..." -race -count=1 -timeout 40m -p 1
export GOWORK=off
cd test/helm && run helm ./... -count=1
cd ../..

echo "== release"
(cd hack/release && go test ./...) || failed=1

echo "== localplane"
# With the flags of the build, so that Kubernetes is not compiled a second time.
export GOFLAGS=-trimpath CGO_ENABLED=0
(cd localplane && go test ./internal/...) || failed=1
(cd localplane && LOCALPLANE_BINARY="$KEDA_LOCALPLANE" go test -count=1 -tags realplane ./realtest) || failed=1

passed="$(cat "$results"/*.json | grep '"Action":"pass"' | grep -c '"Test":')"
failures="$(cat "$results"/*.json | grep '"Action":"fail"' | grep -c '"Test":')"
again="$(cat "$results"/*.again 2>/dev/null)"
[[ -z "$again" ]] || printf 'failed at first, and run once more:\n%s\n' "$again"
skips="$(cat "$results"/*.json | grep '"Action":"skip"' | grep '"Test":' | sed 's/.*"Package":"\([^"]*\)","Test":"\([^"]*\)".*/  \1 \2/')"
if ! sh hack/servers/pubsub.sh >/dev/null 2>&1; then
  echo "not run, since this machine has no Pub/Sub emulator and no package registry does:"
  grep -E "$needs_pubsub" <<<"$skips"
  skips="$(grep -vE "$needs_pubsub" <<<"$skips")"
fi
skipped=0
if [[ -n "$skips" ]]; then
  skipped="$(wc -l <<<"$skips")"
  printf 'skipped:\n%s\n' "$skips"
  [[ "${CI:-}" != true ]] || failed=1
fi
((failed == 0)) || echo "some tests failed or, in CI, were skipped" >&2
echo "$passed passed, $failures failed, $skipped skipped"
exit "$failed"
