#!/usr/bin/env bash
# Checks what needs no running server. Changes nothing but what generators write,
# and then says which of it was not up to date.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=0

# step NAME COMMAND…
step() {
  local name="$1" out
  shift
  if out="$("$@" 2>&1)"; then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    printf '%s\n' "$out"
    failed=1
  fi
}

formatted() {
  local files
  files="$(git ls-files --cached --others --exclude-standard '*.go' | xargs gofmt -l)"
  [[ -z "$files" ]] || { printf 'not formatted, run gofmt -w:\n%s\n' "$files"; return 1; }
}

generated() {
  local before after
  before="$(snapshot)"
  hack/generate.sh || return 1
  go run ./hack/docgen -check || return 1
  after="$(snapshot)"
  [[ "$before" == "$after" ]] || { echo "generated files were not up to date; they are now:"; diff <(echo "$before") <(echo "$after"); return 1; }
}

snapshot() { find api client deploy pkg docs/licences.md -name 'zz_generated*' -o -name '*.yaml' -o -name '*.pb.go' -o -name licences.md -o -path 'deploy/helm/*' -type f -o -path 'client/*' -name '*.go' | LC_ALL=C sort | xargs sha256sum; }

shell_scripts() {
  local script
  while IFS= read -r script; do bash -n "$script" || return 1; done < <(git ls-files --cached --others --exclude-standard '*.sh' .ci/run)
}

step "formatting" formatted
step "modules are tidy" go mod tidy -diff
step "modules are tidy (localplane)" env GOWORK=off go -C localplane mod verify
step "modules are tidy (Helm chart's tests)" env GOWORK=off go -C test/helm mod tidy -diff
step "modules are tidy (release)" env GOWORK=off go -C hack/release mod tidy -diff
step "generated files" generated
step "shell scripts parse" shell_scripts
step "imports follow the rules" go test ./test/imports/
step "vet" go vet ./...
step "vet (localplane)" env GOWORK=off CGO_ENABLED=0 GOFLAGS=-trimpath go -C localplane vet ./internal/... ./realtest/...
step "vet (Helm chart's tests)" env GOWORK=off go -C test/helm vet ./...
step "vet (release)" env GOWORK=off go -C hack/release vet ./...
step "lint" go tool -modfile=hack/tools/go.mod golangci-lint run ./...
exit "$failed"
