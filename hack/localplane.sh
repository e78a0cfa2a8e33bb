#!/usr/bin/env bash
# Builds the local control plane once for each version of its source.
#
#   hack/localplane.sh path    print where the binary for this source belongs
#   hack/localplane.sh build   build it there, unless it is there already
#
# The binary is cached outside of the clone, because a cold build takes minutes:
# in $KEDA_CACHE, or keda in the user's cache folder. Its name holds a hash of
# everything that goes into it, and of no time stamp.
set -euo pipefail

kubernetes_version=1.37.2
source_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")/../localplane" && pwd)"
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# inputs lists what is built, relative to the source folder, tests left out.
inputs() {
  cd "$source_dir"
  find . -type f \( -name '*.go' -o -name go.mod -o -name go.sum -o -name '*.yaml' \) ! -name '*_test.go' | LC_ALL=C sort
}

hash_inputs() {
  {
    (cd "$source_dir" && go version)
    build_flags
    inputs | while IFS= read -r file; do
      printf '%s ' "$file"
      sha256 <"$source_dir/$file"
    done
  } | sha256 | cut -c1-16
}

# build_flags: clients refuse a server without a version, hence -X.
build_flags() {
  local minor="${kubernetes_version#1.}" package link="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    link+=" -X $package.gitVersion=v$kubernetes_version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
  done
  printf -- '%s\n' -trimpath -buildvcs=false "-ldflags=$link"
}

# lock FILE: a symbolic link that points at the process id of its holder, since
# that is made in one step on every system. The lock of a process that has gone
# is taken over.
lock() {
  local file="$1" told="" holder
  until ln -sn "$$" "$file" 2>/dev/null; do
    holder="$(readlink "$file" || true)"
    if [[ -n "$holder" ]] && ! kill -0 "$holder" 2>/dev/null; then
      rm -f "$file"
      continue
    fi
    [[ -n "$told" ]] || echo "waiting for another build of the local control plane (process id $holder)" >&2
    told=1
    sleep 1
  done
}

build() {
  local binary="$1" flags=()
  [[ -x "$binary" ]] && return
  mkdir -p "$cache"
  lock "$cache/localplane.building"
  trap 'rm -f "$cache/localplane.building"' EXIT
  [[ -x "$binary" ]] && return # another build made it meanwhile
  echo "building the local control plane (about 7 minutes the first time)" >&2
  mkdir -p "$(dirname "$binary")"
  while IFS= read -r flag; do flags+=("$flag"); done < <(build_flags)
  (cd "$source_dir" && GOWORK=off GOFLAGS='' CGO_ENABLED=0 go build "${flags[@]}" -o "$binary.new" .)
  mv -f "$binary.new" "$binary" # in one step: nobody runs half a binary
}

command="${1:-}"
case "$command" in
path | build)
  binary="$cache/localplane-$(hash_inputs)/localplane"
  if [[ "$command" == build ]]; then build "$binary"; else echo "$binary"; fi
  ;;
*)
  echo "usage: hack/localplane.sh path|build" >&2
  exit 2
  ;;
esac
