#!/usr/bin/env bash
# Writes client/ from the types below api/: clientsets, listers, informers and
# apply configurations, by Kubernetes' own generators. A second run changes
# nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

module=github.com/kedago/keda
external=(
  k8s.io/api/batch/v1.JobSpec:k8s.io/client-go/applyconfigurations/batch/v1
  k8s.io/api/autoscaling/v2.HorizontalPodAutoscalerBehavior:k8s.io/client-go/applyconfigurations/autoscaling/v2
)
tool() { go tool -modfile=hack/tools/go.mod "$1" --go-header-file /dev/null "${@:2}"; }

packages=() inputs=()
for group in eventing.keda.sh/v1alpha1 keda.k8s.io/v1alpha1 keda.sh/v1alpha1; do
  packages+=("$module/api/$group")
  inputs+=("--input=$group")
done

rm -rf client/applyconfiguration client/clientset client/informers client/listers
tool applyconfiguration-gen --output-dir client/applyconfiguration --output-pkg "$module/client/applyconfiguration" \
  --external-applyconfigurations "$(IFS=,; echo "${external[*]}")" "${packages[@]}"
tool client-gen --clientset-name clientset --input-base "$module/api" "${inputs[@]}" --output-dir client --output-pkg "$module/client" \
  --apply-configuration-package "$module/client/applyconfiguration"
tool lister-gen --output-dir client/listers --output-pkg "$module/client/listers" "${packages[@]}"
tool informer-gen --single-directory --output-dir client/informers --output-pkg "$module/client/informers" \
  --versioned-clientset-package "$module/client/clientset" --listers-package "$module/client/listers" "${packages[@]}"
