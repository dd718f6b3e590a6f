{{- define "switchyard.databaseEgress" -}}
{{- if .Values.postgres.bundled.enabled }}
- to:
    - podSelector:
        matchLabels:
          {{- include "switchyard.selectorLabels" (dict "root" . "component" "postgres") | nindent 10 }}
  ports:
    - { protocol: TCP, port: 5432 }
{{- else }}
- {{- with .Values.networkPolicy.postgres.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - { protocol: TCP, port: {{ .Values.postgres.external.port }} }
{{- end }}
{{- end -}}

{{- define "switchyard.kafkaEgress" -}}
{{- if .Values.kafka.bundled.enabled }}
- to:
    - podSelector:
        matchLabels:
          {{- include "switchyard.selectorLabels" (dict "root" . "component" "kafka") | nindent 10 }}
  ports:
    - { protocol: TCP, port: 9092 }
{{- else }}
{{- $ports := list }}
{{- range .Values.kafka.external.brokers }}
{{- $ports = append $ports (splitList ":" . | last) }}
{{- end }}
- {{- with .Values.networkPolicy.kafka.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- range $ports | uniq }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}
{{- end -}}
