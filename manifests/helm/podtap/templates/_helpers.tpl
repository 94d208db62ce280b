{{/* SPDX-License-Identifier: Apache-2.0 */}}
{{- define "podtap.fullname" -}}
{{- if .Values.fullnameOverride -}}{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}{{- end -}}
{{- end -}}
{{- end -}}
{{- define "podtap.webhook" -}}{{ include "podtap.fullname" . }}-webhook{{- end -}}
{{- define "podtap.collector" -}}{{ include "podtap.fullname" . }}-collector{{- end -}}
{{- define "podtap.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}{{ default (include "podtap.webhook" .) .Values.serviceAccount.name }}
{{- else -}}{{ required "serviceAccount.name is required with serviceAccount.create=false" .Values.serviceAccount.name }}{{- end -}}
{{- end -}}
{{/* The Secret of the serving certificate. */}}
{{- define "podtap.certificateSecret" -}}
{{- if eq .Values.certificates.source "secret" -}}{{ required "certificates.secretName is required with certificates.source=secret" .Values.certificates.secretName }}
{{- else -}}{{ default (printf "%s-certificate" (include "podtap.webhook" .)) .Values.certificates.secretName }}{{- end -}}
{{- end -}}
{{- define "podtap.collectorEnabled" -}}{{ if and .Values.collector.enabled .Values.ebpfCaptureEnabled }}true{{ end }}{{- end -}}

{{/* Labels of an object: call with (list . COMPONENT). */}}
{{- define "podtap.selector" -}}
app.kubernetes.io/name: podtap
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}
{{- define "podtap.labels" -}}
{{- $top := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $top.Chart.Name $top.Chart.Version | replace "+" "_" }}
{{ include "podtap.selector" . }}
app.kubernetes.io/version: {{ $top.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $top.Release.Service }}
app.kubernetes.io/part-of: podtap
{{- end -}}

{{/* repository@digest or repository:tag of an image: call with (list . VALUES). */}}
{{- define "podtap.image" -}}
{{- $top := index . 0 -}}{{- $image := index . 1 -}}
{{- if $image.digest -}}{{ $image.repository }}@{{ $image.digest }}
{{- else -}}{{ $image.repository }}:{{ default $top.Chart.AppVersion $image.tag }}{{- end -}}
{{- end -}}

{{/* Where sidecars send exchanges. */}}
{{- define "podtap.sink" -}}
{{- if .Values.sidecar.sink -}}{{ .Values.sidecar.sink }}
{{- else if include "podtap.collectorEnabled" . -}}otlp:http://{{ include "podtap.collector" . }}.{{ .Release.Namespace }}.svc:4318
{{- else -}}stdout{{- end -}}
{{- end -}}

{{/* Whether matchConditions are rendered: "true" or nothing. */}}
{{- define "podtap.matchConditions" -}}
{{- $mode := toString .Values.injector.matchConditions -}}
{{- if or (eq $mode "true") (and (eq $mode "auto") (semverCompare ">=1.28.0-0" .Capabilities.KubeVersion.Version)) -}}true{{- end -}}
{{- end -}}
{{- define "podtap.guard" -}}
{{- if and .Values.guard.enabled (semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version) -}}true{{- end -}}
{{- end -}}

{{/* The flags of podtap-webhook, one a line. */}}
{{- define "podtap.webhookArgs" -}}
- --listen_address=[::]:{{ .Values.webhook.port }}
- --admin_address=[::]:{{ .Values.webhook.adminPort }}
- --log_level={{ .Values.webhook.logLevel }}
- --revision={{ .Values.revision }}
- --drain_s={{ .Values.webhook.drainSeconds }}
{{- if eq .Values.certificates.source "self" }}
- --certificates=self
- --secret_name={{ include "podtap.certificateSecret" . }}
- --service_name={{ include "podtap.webhook" . }}
- --webhook_configuration_name={{ include "podtap.webhook" . }}
{{- else }}
- --tls_cert_file=/etc/podtap/tls/tls.crt
- --tls_key_file=/etc/podtap/tls/tls.key
{{- end }}
- --skip_namespaces={{ join "," (concat (list .Release.Namespace) .Values.injector.skipNamespaces | uniq) }}
{{- if .Values.daemonSetMirrorAllNamespaces }}
- --mirror_all_namespaces
{{- end }}
- --default_mode={{ .Values.webhook.defaultMode }}
{{- if not .Values.ebpfCaptureEnabled }}
- --switched_off
{{- end }}
- --injection={{ .Values.webhook.injection }}
- --check_quota={{ .Values.webhook.checkQuota }}
- --send_events={{ .Values.webhook.sendEvents }}
- --survey_interval_s={{ int .Values.webhook.surveyIntervalSeconds }}
{{- with .Values.webhook.offSwitchConfigMap }}
- --off_switch_configmap={{ . }}
{{- end }}
- --sidecar_image={{ include "podtap.image" (list . .Values.sidecar.image) }}
- --sidecar_image_pull_policy={{ .Values.sidecar.image.pullPolicy }}
- --sidecar_sink={{ include "podtap.sink" . }}
{{- range $name, $sink := .Values.sidecar.namedSinks }}
- --named_sink={{ $name }}={{ $sink }}
{{- end }}
- --sidecar_arg=--log_level={{ .Values.ebpfLogLevel }}
- --sidecar_arg=--max_body_bytes={{ int64 .Values.maxBodySize }}
{{- with .Values.environment }}
- --sidecar_arg=--deployment_environment={{ . }}
{{- end }}
{{- range .Values.sidecar.args }}
- {{ printf "--sidecar_arg=%s" . | quote }}
{{- end }}
- --sidecar_metrics_port={{ int .Values.sidecar.metricsPort }}
- --sidecar_token_audience={{ .Values.sidecar.tokenAudience }}
{{- with .Values.sidecar.tokenSecret }}
- --sidecar_token_secret={{ . }}
{{- end }}
- --run_as_privileged={{ .Values.ebpfRunAsPrivileged }}
{{- with .Values.ebpfAllowedCapabilities }}
- --sidecar_capabilities={{ join "," . }}
{{- end }}
{{- with .Values.ebpfSELinuxOptions }}
{{- if .Enabled }}
{{- $options := list }}
{{- if .User }}{{ $options = append $options (printf "user=%s" .User) }}{{ end }}
{{- if .Role }}{{ $options = append $options (printf "role=%s" .Role) }}{{ end }}
{{- if .Type }}{{ $options = append $options (printf "type=%s" .Type) }}{{ end }}
{{- if .Level }}{{ $options = append $options (printf "level=%s" .Level) }}{{ end }}
- --sidecar_selinux_options={{ join "," $options }}
{{- end }}
{{- end }}
- --tls_capture={{ .Values.sidecar.tlsCapture }}
- --sidecar_ring_bytes={{ .Values.sidecar.ringBytes }}
- --sidecar_cpu_request={{ .Values.sidecar.resources.requests.cpu }}
- --sidecar_cpu_limit={{ .Values.sidecar.resources.limits.cpu }}
- --sidecar_memory_request={{ .Values.sidecar.resources.requests.memory }}
- --sidecar_memory_limit={{ .Values.sidecar.resources.limits.memory }}
{{- range .Values.webhook.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
