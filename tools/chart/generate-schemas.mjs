/**
 * Writes the JSON schemas that charts are validated against: `node tools/chart/generate-schemas.mjs`. Needs Go, once per change of KUBERNETES_VERSIONS.
 *
 * Kubernetes publishes one OpenAPI document per version, in its own Go module. Of it only the kinds that the chart renders are kept, without descriptions,
 * each object closed to unknown fields: one file of definitions per version, and per kind a file that points into it, as kubeconform looks them up.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KUBERNETES_VERSIONS } from './kubernetes-versions.mjs';

const SCHEMAS = fileURLToPath(new URL('schemas', import.meta.url));

/** API version and kind, as kubeconform spells a file's name. */
const KINDS = {
  'deployment-apps-v1': 'io.k8s.api.apps.v1.Deployment',
  'statefulset-apps-v1': 'io.k8s.api.apps.v1.StatefulSet',
  'job-batch-v1': 'io.k8s.api.batch.v1.Job',
  'pod-v1': 'io.k8s.api.core.v1.Pod',
  'service-v1': 'io.k8s.api.core.v1.Service',
  'serviceaccount-v1': 'io.k8s.api.core.v1.ServiceAccount',
  'secret-v1': 'io.k8s.api.core.v1.Secret',
  'configmap-v1': 'io.k8s.api.core.v1.ConfigMap',
  'networkpolicy-networking-v1': 'io.k8s.api.networking.v1.NetworkPolicy',
  'ingress-networking-v1': 'io.k8s.api.networking.v1.Ingress',
  'poddisruptionbudget-policy-v1': 'io.k8s.api.policy.v1.PodDisruptionBudget',
  'horizontalpodautoscaler-autoscaling-v2': 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
};

/** Types that are written in more ways than their definition says. */
const LOOSER = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['string', 'integer'] },
};

const PREFIX = '#/definitions/';

/** A definition without what says nothing about validity, closed to unknown fields, its references pointing to `definitions.json`. */
function strict(schema) {
  if (Array.isArray(schema)) return schema.map(strict);
  if (schema === null || typeof schema !== 'object') return schema;
  const result = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'description' || key.startsWith('x-kubernetes-') || key === 'default' || key === 'format') continue;
    if (key === 'properties') result[key] = Object.fromEntries(Object.entries(value).map(([name, property]) => [name, orNull(strict(property))]));
    else result[key] = strict(value);
  }
  if (schema.properties && !schema['x-kubernetes-preserve-unknown-fields']) result.additionalProperties ??= false;
  return result;
}

/** The API server takes an explicit null for a field that is not set. */
const orNull = (schema) => (typeof schema.type === 'string' ? { ...schema, type: [schema.type, 'null'] } : schema);

function referencesOf(schema, found = new Set()) {
  if (schema === null || typeof schema !== 'object') return found;
  if (typeof schema.$ref === 'string') found.add(schema.$ref.slice(PREFIX.length));
  for (const value of Object.values(schema)) referencesOf(value, found);
  return found;
}

/** The definitions that these names need, themselves included. */
function closure(names, all) {
  const needed = new Set();
  const visit = (name) => {
    if (needed.has(name)) return;
    needed.add(name);
    if (!LOOSER[name]) for (const reference of referencesOf(all[name])) visit(reference);
  };
  names.forEach(visit);
  return [...needed].sort();
}

function openApiOf(version) {
  const { Dir: folder } = JSON.parse(execFileSync('go', ['mod', 'download', '-json', `k8s.io/kubernetes@v${version}`], { encoding: 'utf8' }));
  return JSON.parse(readFileSync(join(folder, 'api/openapi-spec/swagger.json'), 'utf8'));
}

rmSync(SCHEMAS, { recursive: true, force: true });
for (const version of KUBERNETES_VERSIONS) {
  const folder = join(SCHEMAS, `v${version}`);
  mkdirSync(folder, { recursive: true });
  const { definitions } = openApiOf(version);
  const kept = Object.fromEntries(closure(Object.values(KINDS), definitions).map((name) => [name, LOOSER[name] ?? strict(definitions[name])]));
  writeFileSync(join(folder, 'definitions.json'), `${JSON.stringify({ definitions: kept })}\n`);
  for (const [file, name] of Object.entries(KINDS)) {
    const schema = { $ref: `definitions.json${PREFIX}${name}` };
    writeFileSync(join(folder, `${file}.json`), `${JSON.stringify(schema)}\n`);
  }
  console.log(`${version}: ${Object.keys(kept).length} definitions`);
}
