{{/* The image of all roles. */}}
{{- define "keda.image" -}}
{{- $image := .Values.image.keda -}}
{{- $name := printf "%s/%s" (.Values.global.image.registry | default $image.registry) $image.repository -}}
{{- if $image.digest -}}
{{ printf "%s@%s" $name $image.digest }}
{{- else -}}
{{ printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end }}

{{/* Labels of an object: (list root name). */}}
{{- define "keda.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/part-of: keda
{{- with $root.Values.additionalLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Metadata of an object in the release's namespace: (list root name of-labels more-annotations). */}}
{{- define "keda.metadata" -}}
{{- $root := index . 0 -}}
name: {{ index . 1 }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "keda.labels" (list $root (index . 2)) | nindent 2 }}
{{- with merge (dict) (index . 3) $root.Values.additionalAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A probe: (dict with defaults, changes). */}}
{{- define "keda.probe" -}}
{{- toYaml (mergeOverwrite (index . 0) (index . 1)) -}}
{{- end }}

{{/* How many seconds a graceful end may take is the same for all roles. */}}
{{- define "keda.podspec" -}}
{{- $root := .root -}}
serviceAccountName: {{ .account }}
automountServiceAccountToken: true
terminationGracePeriodSeconds: 20
{{- with .podSecurity }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity | default $root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .spread }}
topologySpreadConstraints:
  {{- toYaml .spread | nindent 2 }}
{{- else if gt (int .replicas) 1 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        app.kubernetes.io/name: {{ .name }}
{{- end }}
{{- end }}

{{/* Labels and annotations of pods: (dict root name labels annotations). */}}
{{- define "keda.podmeta" -}}
labels:
  {{- include "keda.labels" (list .root .name) | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Image, security and resources of a container. */}}
{{- define "keda.container" -}}
name: {{ .name }}
image: {{ include "keda.image" .root | quote }}
{{- with .root.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
command: ["/keda"]
{{- with .resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .security }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Environment of a container: (list root name resources). */}}
{{- define "keda.env" -}}
{{- $root := index . 0 -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      apiVersion: v1
      fieldPath: metadata.namespace
{{- if dig "limits" "memory" "" (index . 2) }}
- name: GOMEMLIMIT
  valueFrom:
    resourceFieldRef:
      containerName: {{ index . 1 }}
      divisor: "0"
      resource: limits.memory
{{- end }}
{{- with $root.Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* More flags: a dict of names and values. */}}
{{- define "keda.extraargs" -}}
{{- range $name, $value := . }}
- {{ printf "--%s=%v" $name $value | quote }}
{{- end }}
{{- end }}

{{/* The ports that Prometheus reads, in a container. */}}
{{- define "keda.metricsport" -}}
{{- if .enabled }}
- name: http
  containerPort: {{ .port }}
{{- end }}
{{- end }}
