{{/* Volumes with secrets and certificates that the program reads, by what it needs. Takes {root, target}. Mounted as folders, so that rotation is seen. */}}
{{- define "switchyard.configurationVolumes" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $target := .target -}}
{{- if and $target.needsDatabase (not $values.postgres.bundled.enabled) }}
{{- with $values.postgres.external }}
{{- if and .existingSecret (not .urlKey) (not .passwordFile) }}
- name: postgres-password
  secret:
    secretName: {{ .existingSecret }}
    items: [{ key: {{ .passwordKey }}, path: password }]
    defaultMode: 0440
{{- end }}
{{- with .ca.existingSecret }}
- name: postgres-ca
  secret:
    secretName: {{ . }}
    items: [{ key: {{ $values.postgres.external.ca.key }}, path: ca.crt }]
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}
{{- if and $target.needsKafka (not $values.kafka.bundled.enabled) }}
{{- with $values.kafka.external }}
{{- if and .tls.enabled .tls.ca.existingSecret }}
- name: kafka-ca
  secret:
    secretName: {{ .tls.ca.existingSecret }}
    items: [{ key: {{ .tls.ca.key }}, path: ca.crt }]
    defaultMode: 0440
{{- end }}
{{- if and .tls.enabled .tls.clientCertificateSecret }}
- name: kafka-client
  secret:
    secretName: {{ .tls.clientCertificateSecret }}
    defaultMode: 0440
{{- end }}
{{- if and .sasl.mechanism (ne .sasl.mechanism "oauthbearer") }}
- name: kafka-password
  secret:
    secretName: {{ .sasl.existingSecret }}
    items: [{ key: {{ .sasl.passwordKey }}, path: password }]
    defaultMode: 0440
{{- end }}
{{- end }}
{{- end }}
{{- if and $values.internalTls.enabled (ne $target.name "migrate") }}
- name: internal-tls
  secret:
    secretName: {{ include "switchyard.internalTlsSecret" (dict "root" $root "name" $target.name) }}
    defaultMode: 0440
{{- end }}
{{- if and $target.facts.credentials $values.providerCredentials.existingSecret }}
- name: provider-credentials
  secret:
    secretName: {{ $values.providerCredentials.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- if and $target.facts.catalog (or $values.simulator.enabled $values.catalog.existingConfigMap $values.catalog.inline) }}
- name: catalog
  {{- if $values.simulator.enabled }}
  emptyDir:
    sizeLimit: 16Mi
  {{- else }}
  configMap:
    name: {{ default (printf "%s-catalog" (include "switchyard.fullname" $root)) $values.catalog.existingConfigMap }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where switchyard.configurationVolumes are mounted: made from it, so that the two cannot differ. */}}
{{- define "switchyard.configurationVolumeMounts" -}}
{{- $paths := dict "postgres-password" "postgres" "postgres-ca" "postgres-ca" "kafka-ca" "kafka-ca" "kafka-client" "kafka-client" "kafka-password" "kafka" "internal-tls" "tls" "provider-credentials" "credentials" "catalog" "catalog" -}}
{{- range include "switchyard.configurationVolumes" . | fromYamlArray }}
- name: {{ .name }}
  mountPath: /etc/switchyard/{{ get $paths .name }}
  readOnly: true
{{- end }}
{{- end -}}

{{/* Secret with a target's certificate. Takes {root, name}. */}}
{{- define "switchyard.internalTlsSecret" -}}
{{- $own := get .root.Values.targets .name | default dict -}}
{{- if $own.tlsSecret -}}{{ $own.tlsSecret }}
{{- else if .root.Values.internalTls.certManager.enabled -}}{{ include "switchyard.fullname" .root }}-{{ .name }}-tls
{{- else -}}{{ .root.Values.internalTls.existingSecret }}
{{- end -}}
{{- end -}}

{{- define "switchyard.bundledPostgresSecret" -}}
{{- default (printf "%s-postgres" (include "switchyard.fullname" .)) .Values.postgres.bundled.existingSecret -}}
{{- end -}}
