{{/*
What the chart knows of a target, and nothing else does: whether it spools to disk, which targets it calls, whether it needs Postgres,
the event log, the internet, and whether it has a gRPC or the public HTTP server. The test suite compares `calls` with the program's own manifests.
*/}}
{{- define "switchyard.facts" -}}
ingress: { spools: true, calls: [router, worker, billing, analytics], database: false, events: true, internet: false, grpc: false, http: true }
router: { spools: false, calls: [worker, analytics], database: true, events: false, internet: false, grpc: true, http: false, catalog: true }
worker: { spools: true, calls: [], database: false, events: true, internet: true, grpc: true, http: false, credentials: true }
billing: { spools: false, calls: [], database: true, events: true, internet: false, grpc: true, http: false }
analytics: { spools: false, calls: [], database: true, events: true, internet: false, grpc: true, http: false }
all: { spools: true, calls: [], database: true, events: true, internet: true, grpc: true, http: true, catalog: true, credentials: true }
{{- end -}}

{{/* Names of the targets that this release runs, as a JSON list in order. */}}
{{- define "switchyard.targetNames" -}}
{{- if eq .Values.mode "all" -}}["all"]{{- else -}}["router","worker","billing","analytics","ingress"]{{- end -}}
{{- end -}}

{{/* Settings of one target: the shared defaults, overridden by its own, with its facts under `facts`. Takes {root, name}; gives JSON. */}}
{{- define "switchyard.target" -}}
{{- $facts := get (include "switchyard.facts" . | fromYaml) .name -}}
{{- $own := get .root.Values.targets .name | default dict -}}
{{- $settings := mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $own) -}}
{{- $_ := set $settings "name" .name -}}
{{- $_ := set $settings "facts" $facts -}}
{{- $_ := set $settings "isStateful" (and $facts.spools .root.Values.spool.persistence.enabled) -}}
{{- $_ := set $settings "hasKafka" (include "switchyard.hasKafka" .root | eq "true") -}}
{{- $_ := set $settings "needsKafka" (and $facts.events $settings.hasKafka) -}}
{{- $_ := set $settings "needsDatabase" (or $facts.database (and $facts.events (not $settings.hasKafka))) -}}
{{- toJson $settings -}}
{{- end -}}

{{/* The target that has the public HTTP server. */}}
{{- define "switchyard.publicTarget" -}}
{{- if eq .Values.mode "all" }}all{{ else }}ingress{{ end -}}
{{- end -}}

{{/* host:port under which a target's gRPC server is called. In mode all every port is the same process. Takes {root, name}. */}}
{{- define "switchyard.grpcAddress" -}}
{{- $name := ternary "all" .name (eq .root.Values.mode "all") -}}
{{ include "switchyard.fullname" .root }}-{{ $name }}:9090
{{- end -}}

{{- define "switchyard.hasKafka" -}}
{{- or .Values.kafka.bundled.enabled (gt (len .Values.kafka.external.brokers) 0) -}}
{{- end -}}

{{- define "switchyard.hasTelemetry" -}}
{{- ne .Values.telemetry.otlp.endpoint "" -}}
{{- end -}}

{{/* Base address of the public HTTP server inside the cluster. */}}
{{- define "switchyard.publicUrl" -}}
http://{{ include "switchyard.fullname" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.port }}
{{- end -}}

{{/* Longest time from the signal to the end of a process, in seconds: delay, drain, spool to Kafka, and a margin for closing. */}}
{{- define "switchyard.shutdownSeconds" -}}
{{- add .Values.drain.delaySeconds .Values.drain.timeoutSeconds .Values.drain.spoolSeconds 15 -}}
{{- end -}}
