/**
 * Writes the JSON schemas that charts are validated against: `node tools/chart/generate-schemas.mjs`. Needs Go, once per change of KUBERNETES_VERSIONS.
 *
 * Kubernetes publishes one OpenAPI document per version, in its own Go module. Of it only the kinds that the chart renders are kept, without descriptions,
 * each object closed to unknown fields: one file of definitions per version, and per kind a file that points into it, as kubeconform looks them up.
 * Operators publish the schemas of their kinds in their modules, too: one file per kind, in the folder `operators`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { KUBERNETES_VERSIONS } from './kubernetes-versions.mjs';

const SCHEMAS = fileURLToPath(new URL('schemas', import.meta.url));

const PROMETHEUS_OPERATOR = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';
const PROMETHEUS_OPERATOR_FOLDER = 'example/prometheus-operator-crd';

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

/** Kinds that operators bring: module, the file of their definition in it, and the version of the API that the chart writes. */
const OPERATOR_KINDS = [
  ['sigs.k8s.io/gateway-api@v1.3.0', 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml', 'v1'],
  ['github.com/cert-manager/cert-manager@v1.21.2', 'deploy/crds/cert-manager.io_certificates.yaml', 'v1'],
  ['github.com/cert-manager/cert-manager@v1.21.2', 'deploy/crds/cert-manager.io_issuers.yaml', 'v1'],
  [PROMETHEUS_OPERATOR, `${PROMETHEUS_OPERATOR_FOLDER}/monitoring.coreos.com_servicemonitors.yaml`, 'v1'],
  [PROMETHEUS_OPERATOR, `${PROMETHEUS_OPERATOR_FOLDER}/monitoring.coreos.com_prometheusrules.yaml`, 'v1'],
  ['github.com/kedacore/keda/v2@v2.21.0', 'config/crd/bases/keda.sh_scaledobjects.yaml', 'v1alpha1'],
];

/** Types that are written in more ways than their definition says. */
const LOOSER = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: ['string', 'number'] },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': { type: ['string', 'integer'] },
};

const PREFIX = '#/definitions/';
/** Their parts say something about an object that is described beside them: none of them names all of its fields. */
const JUNCTIONS = new Set(['allOf', 'anyOf', 'oneOf', 'not']);

/** A definition without what says nothing about validity, closed to unknown fields, its references pointing to `definitions.json`. */
function strict(schema) {
  if (Array.isArray(schema)) return schema.map(strict);
  if (schema === null || typeof schema !== 'object') return schema;
  const result = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'description' || key.startsWith('x-kubernetes-') || key === 'default' || key === 'format') continue;
    if (key === 'properties') result[key] = Object.fromEntries(Object.entries(value).map(([name, property]) => [name, orNull(strict(property))]));
    else result[key] = JUNCTIONS.has(key) ? value : strict(value);
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

/** Folder of a Go module. */
const folderOf = (module) => JSON.parse(execFileSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8' })).Dir;

const openApiOf = (version) => JSON.parse(readFileSync(join(folderOf(`k8s.io/kubernetes@v${version}`), 'api/openapi-spec/swagger.json'), 'utf8'));

/** A file's name as kubeconform spells it, and the schema, of the kind that a module defines. */
function operatorSchema([module, file, version]) {
  const { group, names, versions } = parse(readFileSync(join(folderOf(module), file), 'utf8')).spec;
  const { schema } = versions.find(({ name }) => name === version);
  return { name: `${names.singular}-${group.split('.')[0]}-${version}`, schema: strict(schema.openAPIV3Schema) };
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

const operatorFolder = join(SCHEMAS, 'operators');
mkdirSync(operatorFolder);
for (const { name, schema } of OPERATOR_KINDS.map(operatorSchema)) {
  writeFileSync(join(operatorFolder, `${name}.json`), `${JSON.stringify(schema)}\n`);
  console.log(name);
}
