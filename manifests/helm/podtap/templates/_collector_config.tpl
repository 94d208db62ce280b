{{/* SPDX-License-Identifier: Apache-2.0

The collector's configuration where collector.config is empty: OTLP in; its log and, with an endpoint, OTLP out. */}}
{{- define "podtap.collectorConfig" -}}
extensions:
  health_check:
    endpoint: 0.0.0.0:13133
  {{- if .Values.collector.requireToken }}
  oidc:
    issuer_url: {{ .Values.collector.issuerUrl }}
    issuer_ca_path: /etc/podtap/cluster/ca.crt
    audience: {{ .Values.sidecar.tokenAudience }}
  {{- end }}
receivers:
  otlp:
    protocols:
      http:
        endpoint: 0.0.0.0:4318
        {{- if .Values.collector.requireToken }}
        auth:
          authenticator: oidc
        {{- end }}
processors:
  memory_limiter:
    check_interval: 1s
    limit_percentage: 80
    spike_limit_percentage: 20
  batch: {}
exporters:
  {{- if or .Values.collector.logExchanges (not .Values.endpoint) }}
  debug:
    verbosity: detailed
  {{- end }}
  {{- if .Values.endpoint }}
  otlphttp:
    endpoint: {{ ternary .Values.endpoint (printf "https://%s" .Values.endpoint) (contains "://" .Values.endpoint) }}
    {{- if or .Values.token .Values.tokenSecret.name }}
    headers:
      {{ .Values.collector.tokenHeader }}: {{ printf "%s${env:PODTAP_TOKEN}" .Values.collector.tokenPrefix | quote }}
    {{- end }}
  {{- end }}
service:
  extensions: [health_check{{ if .Values.collector.requireToken }}, oidc{{ end }}]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [{{ if .Values.endpoint }}otlphttp{{ if .Values.collector.logExchanges }}, debug{{ end }}{{ else }}debug{{ end }}]
{{- end -}}
