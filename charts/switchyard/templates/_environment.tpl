{{/*
Environment of the program, as a JSON map of name → {value} or {valueFrom}. Takes {root, target}; `target` is what switchyard.target gives,
or the migration's and commands' stand-in for it. Everything the chart sets is in this file; values.config may set anything that is not.
*/}}
{{- define "switchyard.environment" -}}
{{- $root := .root -}}
{{- $target := .target -}}
{{- $facts := $target.facts -}}
{{- $values := $root.Values -}}
{{- $env := dict -}}
{{- /* In mode all two spools share a disk. */ -}}
{{- $spoolBytes := div (mul $values.spool.maxMebibytes 1048576) (ternary 2 1 (eq $target.name "all")) | toString -}}
{{- $_ := set $env "SWITCHYARD_BIND_HOST" (dict "value" $values.bindHost) -}}
{{- $_ := set $env "SWITCHYARD_HEALTH_PORT" (dict "value" "9091") -}}
{{- $_ := set $env "SWITCHYARD_DATA_DIR" (dict "value" "/var/lib/switchyard") -}}
{{- $_ := set $env "SWITCHYARD_LOG_LEVEL" (dict "value" $values.logLevel) -}}
{{- /* With the bundled Postgres the first migration can only run once the pods exist, and `helm install --wait` waits for them first. */ -}}
{{- $_ := set $env "SWITCHYARD_MIGRATE_ON_START" (dict "value" ($values.postgres.bundled.enabled | toString)) -}}
{{- $_ := set $env "SWITCHYARD_DRAIN_DELAY_MS" (dict "value" (mul $values.drain.delaySeconds 1000 | toString)) -}}
{{- $_ := set $env "SWITCHYARD_SHUTDOWN_TIMEOUT_MS" (dict "value" (mul (include "switchyard.shutdownSeconds" $root | int64) 1000 | toString)) -}}
{{- if $facts.grpc -}}
{{- $_ := set $env "SWITCHYARD_GRPC_PORT" (dict "value" "9090") -}}
{{- end -}}
{{- range $called := $facts.calls -}}
{{- $_ := set $env (printf "SWITCHYARD_%s_ADDRESS" (upper $called)) (dict "value" (include "switchyard.grpcAddress" (dict "root" $root "name" $called))) -}}
{{- end -}}
{{- if eq $target.name "all" -}}
{{- /* For the commands that are run in its pod. */ -}}
{{- $_ := set $env "SWITCHYARD_BILLING_ADDRESS" (dict "value" (include "switchyard.grpcAddress" (dict "root" $root "name" "billing"))) -}}
{{- end -}}
{{- if $facts.http -}}
{{- $_ := set $env "SWITCHYARD_HTTP_HOST" (dict "value" $values.bindHost) -}}
{{- $_ := set $env "SWITCHYARD_HTTP_PORT" (dict "value" "8080") -}}
{{- $_ := set $env "SWITCHYARD_ATTEMPT_TOTAL_MS" (dict "value" (mul $values.deadlines.totalSeconds 1000 | toString)) -}}
{{- $_ := set $env "SWITCHYARD_DRAIN_TIMEOUT_MS" (dict "value" (mul $values.drain.timeoutSeconds 1000 | toString)) -}}
{{- $_ := set $env "SWITCHYARD_SPOOL_DRAIN_MS" (dict "value" (mul $values.drain.spoolSeconds 1000 | toString)) -}}
{{- $_ := set $env "SWITCHYARD_SPOOL_MAX_BYTES" (dict "value" $spoolBytes) -}}
{{- end -}}
{{- if $facts.internet -}}
{{- $_ := set $env "SWITCHYARD_WORKER_DRAIN_TIMEOUT" (dict "value" (printf "%dms" (mul $values.drain.timeoutSeconds 1000))) -}}
{{- $_ := set $env "SWITCHYARD_WORKER_SPOOL_MAX_BYTES" (dict "value" $spoolBytes) -}}
{{- end -}}
{{- if and (or (eq $target.name "billing") (eq $target.name "all")) (gt (int $values.deadlines.totalSeconds) 600) -}}
{{- /* A lease must live as long as the longest answer that is charged to it. */ -}}
{{- $_ := set $env "SWITCHYARD_LEASE_SETTLE_MARGIN_MS" (dict "value" (mul $values.deadlines.totalSeconds 1000 | toString)) -}}
{{- $_ := set $env "SWITCHYARD_LEASE_ABANDON_AFTER_MS" (dict "value" (mul (add $values.deadlines.totalSeconds 60) 3000 | toString)) -}}
{{- end -}}
{{- if $target.needsDatabase -}}
{{- $env = mergeOverwrite $env (include "switchyard.databaseEnvironment" $root | fromJson) -}}
{{- end -}}
{{- if $target.needsKafka -}}
{{- $env = mergeOverwrite $env (include "switchyard.kafkaEnvironment" $root | fromJson) -}}
{{- else if and $target.hasKafka $target.needsDatabase -}}
{{- /* Whoever owns a schema must know whether the event log is one of them; it does not connect. */ -}}
{{- $_ := set $env "KAFKA_BROKERS" (get (include "switchyard.kafkaEnvironment" $root | fromJson) "KAFKA_BROKERS") -}}
{{- end -}}
{{- if $facts.credentials -}}
{{- if $values.providerCredentials.existingSecret -}}
{{- $_ := set $env "SWITCHYARD_CREDENTIALS_DIR" (dict "value" "/etc/switchyard/credentials") -}}
{{- end -}}
{{- end -}}
{{- if and $facts.catalog (or $values.simulator.enabled $values.catalog.existingConfigMap $values.catalog.inline) -}}
{{- $_ := set $env "SWITCHYARD_CATALOG_FILE" (dict "value" (printf "/etc/switchyard/catalog/%s" (ternary "simulated.yaml" $values.catalog.key $values.simulator.enabled))) -}}
{{- end -}}
{{- if ne $target.name "migrate" -}}
{{- $env = mergeOverwrite $env (include "switchyard.internalTlsEnvironment" $root | fromJson) -}}
{{- $env = mergeOverwrite $env (include "switchyard.telemetryEnvironment" . | fromJson) -}}
{{- end -}}
{{- range $name, $value := mergeOverwrite (deepCopy $values.config) (deepCopy ($target.config | default dict)) -}}
{{- if hasKey $env $name -}}
{{- fail (include "switchyard.sentence" (printf "config.%s is set by the chart itself; set the value it comes from instead (see templates/_environment.tpl), because two sources would contradict each other." $name)) -}}
{{- end -}}
{{- $_ := set $env $name (dict "value" (include "switchyard.scalar" $value)) -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* A number of the values file as a person writes it: Helm reads whole numbers as floats, and large ones would come out as 1e+09. */}}
{{- define "switchyard.scalar" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* The map of switchyard.environment as a container's list, in the order of names, with the target's extraEnv after it. */}}
{{- define "switchyard.environmentList" -}}
{{- if and (include "switchyard.hasTelemetry" .root | eq "true") (ne .target.name "migrate") }}
# Before what mentions it: Kubernetes only knows the variables above.
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end }}
{{- $environment := include "switchyard.environment" . | fromJson }}
{{- range $name, $source := $environment }}
- name: {{ $name }}
  {{- if hasKey $source "valueFrom" }}
  valueFrom:
    {{- toYaml $source.valueFrom | nindent 4 }}
  {{- else }}
  value: {{ $source.value | quote }}
  {{- end }}
{{- end }}
{{- range .target.extraEnv }}
{{- if hasKey $environment .name }}
{{- fail (include "switchyard.sentence" (printf "extraEnv sets %s, which the chart or config sets, too: of two values of one name an upgrade may keep either." .name)) }}
{{- end }}
{{- end }}
{{- with .target.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "switchyard.databaseEnvironment" -}}
{{- $env := dict -}}
{{- $postgres := .Values.postgres -}}
{{- if $postgres.bundled.enabled -}}
{{- $_ := set $env "SWITCHYARD_DATABASE_URL" (dict "valueFrom" (dict "secretKeyRef" (dict "name" (include "switchyard.bundledPostgresSecret" .) "key" "url"))) -}}
{{- else -}}
{{- $external := $postgres.external -}}
{{- if $external.urlKey -}}
{{- $_ := set $env "SWITCHYARD_DATABASE_URL" (dict "valueFrom" (dict "secretKeyRef" (dict "name" $external.existingSecret "key" $external.urlKey))) -}}
{{- else -}}
{{- $_ := set $env "SWITCHYARD_DATABASE_URL" (dict "value" (printf "postgres://%s@%s:%d/%s?sslmode=%s" (urlquery $external.user) $external.host (int $external.port) (urlquery $external.database) $external.sslMode)) -}}
{{- if $external.passwordFile -}}
{{- $_ := set $env "SWITCHYARD_DATABASE_PASSWORD_FILE" (dict "value" $external.passwordFile) -}}
{{- else if $external.existingSecret -}}
{{- $_ := set $env "SWITCHYARD_DATABASE_PASSWORD_FILE" (dict "value" "/etc/switchyard/postgres/password") -}}
{{- end -}}
{{- end -}}
{{- if $external.ca.existingSecret -}}
{{- $_ := set $env "SWITCHYARD_DATABASE_CA_FILE" (dict "value" "/etc/switchyard/postgres-ca/ca.crt") -}}
{{- end -}}
{{- end -}}
{{- $_ := set $env "SWITCHYARD_DATABASE_POOL_SIZE" (dict "value" ($postgres.poolSize | toString)) -}}
{{- toJson $env -}}
{{- end -}}

{{- define "switchyard.kafkaEnvironment" -}}
{{- $env := dict -}}
{{- $kafka := .Values.kafka -}}
{{- if $kafka.bundled.enabled -}}
{{- $_ := set $env "KAFKA_BROKERS" (dict "value" (printf "%s-kafka:9092" (include "switchyard.fullname" .))) -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_REPLICATION_FACTOR" (dict "value" "1") -}}
{{- else -}}
{{- $external := $kafka.external -}}
{{- $_ := set $env "KAFKA_BROKERS" (dict "value" (join "," $external.brokers)) -}}
{{- with $external.replicationFactor -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_REPLICATION_FACTOR" (dict "value" (. | toString)) -}}
{{- end -}}
{{- if $external.tls.enabled -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_TLS" (dict "value" "true") -}}
{{- if $external.tls.ca.existingSecret -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_CA_FILE" (dict "value" "/etc/switchyard/kafka-ca/ca.crt") -}}
{{- end -}}
{{- if $external.tls.clientCertificateSecret -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_CERT_FILE" (dict "value" "/etc/switchyard/kafka-client/tls.crt") -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_KEY_FILE" (dict "value" "/etc/switchyard/kafka-client/tls.key") -}}
{{- end -}}
{{- end -}}
{{- if $external.sasl.mechanism -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_SASL_MECHANISM" (dict "value" $external.sasl.mechanism) -}}
{{- if eq $external.sasl.mechanism "oauthbearer" -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_TOKEN_FILE" (dict "value" $external.sasl.tokenFile) -}}
{{- else -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_USERNAME" (dict "value" $external.sasl.username) -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_PASSWORD_FILE" (dict "value" "/etc/switchyard/kafka/password") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_PARTITIONS" (dict "value" ($kafka.partitions | toString)) -}}
{{- with $kafka.topicPrefix -}}
{{- $_ := set $env "SWITCHYARD_KAFKA_TOPIC_PREFIX" (dict "value" .) -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{- define "switchyard.internalTlsEnvironment" -}}
{{- $env := dict -}}
{{- if .Values.internalTls.enabled -}}
{{- range $name, $file := dict "CERT" "tls.crt" "KEY" "tls.key" "CA" "ca.crt" -}}
{{- $_ := set $env (printf "SWITCHYARD_TLS_%s_FILE" $name) (dict "value" (printf "/etc/switchyard/tls/%s" $file)) -}}
{{- end -}}
{{- with .Values.internalTls.serverName -}}
{{- $_ := set $env "SWITCHYARD_TLS_SERVER_NAME" (dict "value" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* OpenTelemetry's own variables. Takes {root, target}. */}}
{{- define "switchyard.telemetryEnvironment" -}}
{{- $env := dict -}}
{{- $root := .root -}}
{{- $telemetry := .root.Values.telemetry -}}
{{- with $telemetry.otlp -}}
{{- if .endpoint -}}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" (dict "value" .endpoint) -}}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_PROTOCOL" (dict "value" .protocol) -}}
{{- if .headersSecret -}}
{{- $_ := set $env "OTEL_EXPORTER_OTLP_HEADERS" (dict "valueFrom" (dict "secretKeyRef" (dict "name" .headersSecret "key" .headersKey))) -}}
{{- end -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER" (dict "value" "parentbased_traceidratio") -}}
{{- $_ := set $env "OTEL_TRACES_SAMPLER_ARG" (dict "value" ($telemetry.sampleRatio | toString)) -}}
{{- $_ := set $env "SWITCHYARD_TRACE_CONTENT" (dict "value" ($telemetry.captureContent | toString)) -}}
{{- $attributes := list (printf "k8s.namespace.name=%s" $root.Release.Namespace) "k8s.pod.name=$(POD_NAME)" -}}
{{- $workload := printf "%s-%s" (include "switchyard.fullname" $root) $.target.name -}}
{{- $attributes = append $attributes (printf "k8s.%s.name=%s" (ternary "statefulset" "deployment" ($.target.isStateful | default false)) $workload) -}}
{{- range $name, $value := $telemetry.resourceAttributes -}}
{{- $attributes = append $attributes (printf "%s=%s" $name (urlquery $value | replace "+" "%20")) -}}
{{- end -}}
{{- $_ := set $env "OTEL_RESOURCE_ATTRIBUTES" (dict "value" (join "," $attributes)) -}}
{{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}
