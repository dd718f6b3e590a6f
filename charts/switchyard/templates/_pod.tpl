{{/* Pod template of one target. Takes {root, target}. */}}
{{- define "switchyard.podTemplate" -}}
{{- $root := .root -}}
{{- $target := .target -}}
{{- $values := $root.Values -}}
{{- $labels := dict "root" $root "component" $target.name -}}
{{- $mounts := include "switchyard.configurationVolumeMounts" . | trim -}}
{{- $simulatesCatalog := and $target.facts.catalog $values.simulator.enabled -}}
metadata:
  labels:
    {{- include "switchyard.podLabels" $labels | nindent 4 }}
    {{- with $target.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: {{ $target.name }}
    {{- with $target.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "switchyard.serviceAccountName" (dict "root" $root "name" $target.name) }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "switchyard.imagePullSecrets" $root }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with $target.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $values.drain.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "switchyard.podSecurityContext" 65532 | nindent 4 }}
  {{- if or $simulatesCatalog $target.extraInitContainers }}
  initContainers:
  {{- end }}
  {{- if $simulatesCatalog }}
    # The same arguments give the same catalogue as the simulator's own: nothing has to be handed over.
    - name: simulated-catalog
      image: {{ include "switchyard.imageReference" (dict "root" $root "image" $values.image) }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args:
        - simulate
        - --catalog-only
        - --catalog-file=/catalog/simulated.yaml
        {{- include "switchyard.simulatorAddress" $root | nindent 8 }}
      securityContext:
        {{- include "switchyard.containerSecurityContext" . | nindent 8 }}
      resources:
        {{- toYaml $values.simulator.resources | nindent 8 }}
      volumeMounts:
        - name: catalog
          mountPath: /catalog
        - name: temporary
          mountPath: /tmp
  {{- end }}
  {{- with $target.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $target.name }}
      image: {{ include "switchyard.imageReference" (dict "root" $root "image" $values.image) }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [serve, --target={{ $target.name }}]
      env:
        {{- include "switchyard.environmentList" . | trim | nindent 8 }}
      {{- with $target.extraEnvFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- if $target.facts.http }}
        - name: http
          containerPort: 8080
        {{- end }}
        {{- if $target.facts.grpc }}
        - name: grpc
          containerPort: 9090
        {{- end }}
        - name: health
          containerPort: 9091
      # Alive from the first moment on; ready when the schema, the other services and the caches are.
      startupProbe:
        httpGet: { path: /healthz, port: health }
        periodSeconds: 1
        timeoutSeconds: 3
        failureThreshold: 120
      livenessProbe:
        httpGet: { path: /healthz, port: health }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /readyz, port: health }
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 2
      {{- if gt (int $values.drain.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ $values.drain.preStopSeconds }}
      {{- end }}
      securityContext:
        {{- include "switchyard.containerSecurityContext" . | nindent 8 }}
      {{- with $target.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - name: data
          mountPath: /var/lib/switchyard
        - name: temporary
          mountPath: /tmp
        {{- with $mounts }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $target.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $target.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: temporary
      emptyDir:
        sizeLimit: 256Mi
    {{- if not $target.isStateful }}
    - name: data
      emptyDir:
        sizeLimit: {{ ternary $values.spool.persistence.size "64Mi" $target.facts.spools }}
    {{- end }}
    {{- with include "switchyard.configurationVolumes" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $target.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- include "switchyard.scheduling" . | nindent 2 }}
{{- end -}}

{{/* Takes {root, target}. */}}
{{- define "switchyard.scheduling" -}}
{{- $selector := include "switchyard.selectorLabels" (dict "root" .root "component" .target.name) | fromYaml -}}
{{- $constraints := list -}}
{{- /* Each revision of a Deployment by itself: counted with the pods that leave, the new ones may end up in one zone. */ -}}
{{- $revision := ternary dict (dict "matchLabelKeys" (list "pod-template-hash")) .target.isStateful -}}
{{- range $key, $when := .target.topologySpread -}}
{{- if $when -}}
{{- $topology := ternary "topology.kubernetes.io/zone" "kubernetes.io/hostname" (eq $key "zone") -}}
{{- $constraint := dict "maxSkew" 1 "topologyKey" $topology "whenUnsatisfiable" $when "labelSelector" (dict "matchLabels" $selector) -}}
{{- $constraints = append $constraints (merge $constraint $revision) -}}
{{- end -}}
{{- end -}}
{{- with $constraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .target.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .target.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .target.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Takes {root, name}: one account per target, so that clouds' identities (IAM) can be bound to the one that needs them. */}}
{{- define "switchyard.serviceAccountName" -}}
{{- if .root.Values.serviceAccount.create -}}
{{ include "switchyard.fullname" .root }}-{{ .name }}
{{- else -}}
{{ default "default" .root.Values.serviceAccount.name }}
{{- end -}}
{{- end -}}

{{- define "switchyard.simulatorAddress" -}}
- --host={{ .Values.bindHost }}
- --port=8090
- --advertised-host={{ include "switchyard.fullname" . }}-simulator
{{- end -}}
