#!/usr/bin/env bash
# Writes what is generated from the types below api/: their deep copies, the
# CRDs in deploy/crd, the typed client in client/, and the manifests of an
# installation; and the Go code of protocol buffer files. A second run changes
# nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

controller_gen() { go tool -modfile=hack/tools/go.mod controller-gen "$@"; }

generated="$(mktemp -d)"
trap 'rm -rf "$generated"' EXIT

controller_gen object paths=./api/...
hack/client.sh
controller_gen crd:crdVersions=v1,generateEmbeddedObjectMeta=true paths=./api/... "output:crd:dir=$generated"
go run ./hack/crds -from "$generated" -to deploy/crd
go run ./hack/manifests
go run ./hack/chart
GOWORK=off go -C hack/release run . -root ../.. -licences ../../docs/licences.md

# The Go code of protocol buffer files, beside them.
mapfile -t protos < <(find internal pkg -name '*.proto' | LC_ALL=C sort)
go -C hack/tools run ./protogen -root ../.. "${protos[@]}"
