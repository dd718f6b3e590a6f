{{/*
The Job that brings the schemas up to date. With an external Postgres it runs before anything else of an install or upgrade. The bundled one exists
only after the install: then the Job comes after it, and before upgrades. Fails the release when it fails; the pods that run go on running.
*/}}
{{- define "switchyard.migrationHook" -}}
{{- ternary "post-install,pre-upgrade" "pre-install,pre-upgrade" .Values.postgres.bundled.enabled -}}
{{- end -}}

{{/* What switchyard.environment and the volumes need to know of a process that only talks to the database. Takes the root. */}}
{{- define "switchyard.migrationTarget" -}}
{{- $facts := dict "spools" false "calls" list "database" true "events" false "internet" false "grpc" false "http" false -}}
{{- toJson (dict "name" "migrate" "facts" $facts "hasKafka" (include "switchyard.hasKafka" . | eq "true") "needsKafka" false "needsDatabase" true "config" .Values.migration.config) -}}
{{- end -}}
