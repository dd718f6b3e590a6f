{{/* How a contradiction is told: on lines of its own, so that it is found in what Helm prints around it. */}}
{{- define "switchyard.sentence" -}}
{{ printf "\n\n  %s\n" . }}
{{- end -}}

{{/* Seconds that a target's drain may take, of which Kubernetes takes an hour at most for a scale-down's wait. Takes {root, target}. */}}
{{- define "switchyard.drainSeconds" -}}
{{- $drain := .root.Values.drain -}}
{{- min 3600 (add $drain.preStopSeconds $drain.delaySeconds (ternary $drain.timeoutSeconds 0 .target.facts.spools)) -}}
{{- end -}}

{{/* Seconds for which a target's scale-down waits: what the values say, else as long as a drain may take. Takes {root, target}. */}}
{{- define "switchyard.scaleDownSeconds" -}}
{{- default (max (include "switchyard.drainSeconds" . | int) 60) .target.autoscaling.scaleDownStabilizationSeconds -}}
{{- end -}}

{{/* A storage size in MiB, of the units that values.schema.json takes. */}}
{{- define "switchyard.mebibytes" -}}
{{- $text := . | toString -}}
{{- if regexMatch "^[0-9]+Ti$" $text }}{{ mul (trimSuffix "Ti" $text | int64) 1048576 }}
{{- else if regexMatch "^[0-9]+Gi$" $text }}{{ mul (trimSuffix "Gi" $text | int64) 1024 }}
{{- else if regexMatch "^[0-9]+Mi$" $text }}{{ trimSuffix "Mi" $text | int64 }}
{{- else if regexMatch "^[0-9]+T$" $text }}{{ div (mul (trimSuffix "T" $text | int64) 1000000000000) 1048576 }}
{{- else if regexMatch "^[0-9]+G$" $text }}{{ div (mul (trimSuffix "G" $text | int64) 1000000000) 1048576 }}
{{- else }}{{ div (mul (trimSuffix "M" $text | int64) 1000000) 1048576 }}
{{- end -}}
{{- end -}}

{{/* Milliseconds of a duration as Go writes it, of the units that values.schema.json takes. */}}
{{- define "switchyard.milliseconds" -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h)" . -1 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $sum = addf $sum (mulf (trimSuffix $unit . | float64) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit)) -}}
{{- end -}}
{{- int64 $sum -}}
{{- end -}}

{{/* Values that contradict each other, all at once, each in a sentence that says what to do. What is wrong by itself is in values.schema.json. */}}
{{- define "switchyard.validate" -}}
{{- $root := . -}}
{{- $values := .Values -}}
{{- $problems := list -}}

{{- /* Postgres */ -}}
{{- $external := $values.postgres.external -}}
{{- $hasExternal := or $external.host $external.urlKey -}}
{{- if and $values.postgres.bundled.enabled $hasExternal -}}
{{- $problems = append $problems "postgres.bundled.enabled is true and postgres.external names a server too: choose one of them." -}}
{{- end -}}
{{- if not (or $values.postgres.bundled.enabled $hasExternal) -}}
{{- $problems = append $problems "No Postgres is named: set postgres.external.host (or postgres.external.existingSecret with urlKey), or postgres.bundled.enabled=true for a trial." -}}
{{- end -}}
{{- if and $external.host $external.urlKey -}}
{{- $problems = append $problems "postgres.external.host and postgres.external.urlKey are both set: the secret's URL already names the host, so clear one of them." -}}
{{- end -}}
{{- if and $external.urlKey (not $external.existingSecret) -}}
{{- $problems = append $problems "postgres.external.urlKey is set without postgres.external.existingSecret: name the secret that has this key." -}}
{{- end -}}
{{- if and $external.passwordFile $external.existingSecret -}}
{{- $problems = append $problems "postgres.external.passwordFile and postgres.external.existingSecret are both set: choose where the password comes from." -}}
{{- end -}}
{{- if and (hasPrefix "verify-" $external.sslMode) $external.host (not $external.ca.existingSecret) (not $external.ca.system) -}}
{{- $problems = append $problems (printf "postgres.external.sslMode is %s without a CA: set postgres.external.ca.existingSecret, or postgres.external.ca.system=true for a server whose certificate a public CA signed." $external.sslMode) -}}
{{- end -}}

{{- /* Kafka */ -}}
{{- $kafka := $values.kafka.external -}}
{{- if and $values.kafka.bundled.enabled $kafka.brokers -}}
{{- $problems = append $problems "kafka.bundled.enabled is true and kafka.external.brokers names brokers too: choose one of them." -}}
{{- end -}}
{{- if and (eq $values.mode "split") (not $values.kafka.bundled.enabled) (not $kafka.brokers) (not $values.kafka.eventLogInPostgres) -}}
{{- $problems = append $problems "No Kafka is named: set kafka.external.brokers, or kafka.bundled.enabled=true for a trial, or kafka.eventLogInPostgres=true for a small installation." -}}
{{- end -}}
{{- if and $values.kafka.eventLogInPostgres (or $values.kafka.bundled.enabled $kafka.brokers) -}}
{{- $problems = append $problems "kafka.eventLogInPostgres is true and Kafka is configured too: events can only have one log, so choose one of them." -}}
{{- end -}}
{{- if and $kafka.sasl.mechanism (not (eq $kafka.sasl.mechanism "oauthbearer")) (or (not $kafka.sasl.username) (not $kafka.sasl.existingSecret)) -}}
{{- $problems = append $problems (printf "kafka.external.sasl.mechanism is %s, which needs kafka.external.sasl.username and kafka.external.sasl.existingSecret." $kafka.sasl.mechanism) -}}
{{- end -}}
{{- if and (eq $kafka.sasl.mechanism "oauthbearer") (not $kafka.sasl.tokenFile) -}}
{{- $problems = append $problems "kafka.external.sasl.mechanism is oauthbearer, which needs kafka.external.sasl.tokenFile: the path at which a sidecar or a projected volume keeps the token." -}}
{{- end -}}
{{- if and (or $kafka.tls.ca.existingSecret $kafka.tls.clientCertificateSecret) (not $kafka.tls.enabled) -}}
{{- $problems = append $problems "kafka.external.tls names certificates but is not enabled: set kafka.external.tls.enabled=true, or connections stay in plain text." -}}
{{- end -}}

{{- /* Drain: every stream that is open when a pod is told to end gets its whole time. */ -}}
{{- $drain := $values.drain -}}
{{- if le (int $drain.timeoutSeconds) (int $values.deadlines.totalSeconds) -}}
{{- $problems = append $problems (printf "drain.timeoutSeconds (%d) must be longer than deadlines.totalSeconds (%d), or a rollout cuts streams that may still run." (int $drain.timeoutSeconds) (int $values.deadlines.totalSeconds)) -}}
{{- end -}}
{{- $needed := add $drain.preStopSeconds (include "switchyard.shutdownSeconds" $root | int64) -}}
{{- if le (int64 $drain.terminationGracePeriodSeconds) $needed -}}
{{- $problems = append $problems (printf "drain.terminationGracePeriodSeconds (%d) must be longer than %d: preStopSeconds (%d) + delaySeconds (%d) + timeoutSeconds (%d) + spoolSeconds (%d) + 15 to close, or Kubernetes kills pods that still drain." (int $drain.terminationGracePeriodSeconds) $needed (int $drain.preStopSeconds) (int $drain.delaySeconds) (int $drain.timeoutSeconds) (int $drain.spoolSeconds)) -}}
{{- end -}}

{{- /* Spool */ -}}
{{- $size := include "switchyard.mebibytes" $values.spool.persistence.size | trim | int64 -}}
{{- if lt $size (add $values.spool.maxMebibytes 128) -}}
{{- $problems = append $problems (printf "spool.persistence.size (%s) is too small for spool.maxMebibytes (%d): leave at least 128 MiB more, or the disk is full before the spool knows." $values.spool.persistence.size (int $values.spool.maxMebibytes)) -}}
{{- end -}}

{{- /* TLS between services */ -}}
{{- $tls := $values.internalTls -}}
{{- if and $tls.enabled (not $tls.certManager.enabled) (not $tls.existingSecret) -}}
{{- $problems = append $problems "internalTls.enabled is true without certificates: set internalTls.certManager.enabled=true, or internalTls.existingSecret with tls.crt, tls.key and ca.crt." -}}
{{- end -}}
{{- if and $tls.certManager.enabled $tls.existingSecret -}}
{{- $problems = append $problems "internalTls.certManager.enabled is true and internalTls.existingSecret is set too: choose where certificates come from." -}}
{{- end -}}
{{- if and $tls.certManager.issuerRef (not $tls.certManager.issuerRef.name) -}}
{{- $problems = append $problems "internalTls.certManager.issuerRef has no name: name your issuer, or clear all of it for an authority of the release's own." -}}
{{- end -}}
{{- $duration := $tls.certManager.duration -}}
{{- $renewBefore := $tls.certManager.renewBefore -}}
{{- if and $tls.certManager.enabled (ge (include "switchyard.milliseconds" $renewBefore | int64) (include "switchyard.milliseconds" $duration | int64)) -}}
{{- $problems = append $problems (printf "internalTls.certManager.renewBefore (%s) must be shorter than internalTls.certManager.duration (%s), or cert-manager refuses the certificates." $renewBefore $duration) -}}
{{- end -}}
{{- if and (not $tls.enabled) (or $tls.certManager.enabled $tls.existingSecret) -}}
{{- $problems = append $problems "internalTls names certificates but is not enabled: set internalTls.enabled=true, or services talk in plain text." -}}
{{- end -}}

{{- /* Ways in */ -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- $problems = append $problems "httpRoute.enabled is true without httpRoute.parentRefs: name the Gateway that it belongs to." -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- $problems = append $problems "ingress.enabled is true without ingress.hosts: name the host under which the API is reached." -}}
{{- end -}}

{{- /* Catalogue */ -}}
{{- if and $values.catalog.existingConfigMap $values.catalog.inline -}}
{{- $problems = append $problems "catalog.existingConfigMap and catalog.inline are both set: choose where the catalogue comes from." -}}
{{- end -}}
{{- if and $values.simulator.enabled (or $values.catalog.existingConfigMap $values.catalog.inline) -}}
{{- $problems = append $problems "simulator.enabled is true and a catalogue is given too: the simulator brings its own, so choose one of them." -}}
{{- end -}}

{{- /* Labels */ -}}
{{- $labels := dict "commonLabels" $values.commonLabels "defaults.podLabels" $values.defaults.podLabels -}}
{{- range $name := include "switchyard.targetNames" $root | fromJsonArray -}}
{{- $_ := set $labels (printf "targets.%s.podLabels" $name) ((get $values.targets $name | default dict).podLabels | default dict) -}}
{{- end -}}
{{- range $place, $given := $labels -}}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" -}}
{{- if hasKey $given $label -}}
{{- $problems = append $problems (printf "%s sets %s, by which services and policies find their pods: choose another label." $place $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Targets */ -}}
{{- range $name := include "switchyard.targetNames" $root | fromJsonArray -}}
{{- $target := include "switchyard.target" (dict "root" $root "name" $name) | fromJson -}}
{{- if and $target.autoscaling.enabled $target.kafkaLagScaling.enabled -}}
{{- $problems = append $problems (printf "targets.%s: autoscaling and kafkaLagScaling are both enabled, and two autoscalers would fight over the replicas: choose one." $name) -}}
{{- end -}}
{{- if $target.autoscaling.enabled -}}
{{- if gt (int $target.autoscaling.minReplicas) (int $target.autoscaling.maxReplicas) -}}
{{- $problems = append $problems (printf "targets.%s: autoscaling.minReplicas (%d) is above autoscaling.maxReplicas (%d)." $name (int $target.autoscaling.minReplicas) (int $target.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- if not (or $target.autoscaling.cpuPercent $target.autoscaling.podMetric.name) -}}
{{- $problems = append $problems (printf "targets.%s: autoscaling is enabled without a metric: set autoscaling.cpuPercent or autoscaling.podMetric." $name) -}}
{{- end -}}
{{- if and $target.autoscaling.cpuPercent (not (dig "requests" "cpu" "" $target.resources)) -}}
{{- $problems = append $problems (printf "targets.%s: autoscaling.cpuPercent needs resources.requests.cpu, of which it is a share." $name) -}}
{{- end -}}
{{- end -}}
{{- if and $target.facts.spools (or $target.autoscaling.enabled $target.kafkaLagScaling.enabled) $target.autoscaling.scaleDownStabilizationSeconds -}}
{{- $least := include "switchyard.drainSeconds" (dict "root" $root "target" $target) | int -}}
{{- if lt (int $target.autoscaling.scaleDownStabilizationSeconds) $least -}}
{{- $problems = append $problems (printf "targets.%s: autoscaling.scaleDownStabilizationSeconds (%d) is shorter than a drain may take (%d): replicas that still drain would be asked for again, and a claim has one owner at a time." $name (int $target.autoscaling.scaleDownStabilizationSeconds) $least) -}}
{{- end -}}
{{- end -}}
{{- if $target.kafkaLagScaling.enabled -}}
{{- if not (and $target.needsKafka $target.kafkaLagScaling.consumerGroup) -}}
{{- $problems = append $problems (printf "targets.%s: kafkaLagScaling is enabled, but this target reads nothing from Kafka here." $name) -}}
{{- else if gt (int $target.kafkaLagScaling.maxReplicas) (int $values.kafka.partitions) -}}
{{- $problems = append $problems (printf "targets.%s: kafkaLagScaling.maxReplicas (%d) is above kafka.partitions (%d): further consumers would stand idle." $name (int $target.kafkaLagScaling.maxReplicas) (int $values.kafka.partitions)) -}}
{{- end -}}
{{- if gt (int $target.kafkaLagScaling.minReplicas) (int $target.kafkaLagScaling.maxReplicas) -}}
{{- $problems = append $problems (printf "targets.%s: kafkaLagScaling.minReplicas (%d) is above kafkaLagScaling.maxReplicas (%d)." $name (int $target.kafkaLagScaling.minReplicas) (int $target.kafkaLagScaling.maxReplicas)) -}}
{{- end -}}
{{- if and (or $kafka.tls.enabled $kafka.sasl.mechanism) (not $target.kafkaLagScaling.authenticationRef) -}}
{{- $problems = append $problems (printf "targets.%s: kafkaLagScaling is enabled and the brokers want TLS or a login: set kafkaLagScaling.authenticationRef to a TriggerAuthentication with both, or KEDA never sees the lag." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (include "switchyard.sentence" (join "\n  " $problems)) -}}
{{- end -}}
{{- end -}}
