/** What the chart believes of the program, held against the program itself. Needs the build. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import { CHART } from './rendered-chart.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Node's own, and what other variables of the same container mention, for Kubernetes to put in. */
const OTHER_VARIABLES = new Set(['NODE_OPTIONS', 'POD_NAME']);
const CONTAINERS_OF_THE_PROGRAM = new Set(['ingress', 'router', 'worker', 'billing', 'analytics', 'all', 'migrate', 'chat', 'simulator', 'simulated-catalog']);

/** Names of every variable in the generated reference page. */
function knownVariables() {
  const page = readFileSync(join(ROOT, 'docs/reference/configuration.md'), 'utf8');
  return new Set([...page.matchAll(/^\| `([A-Z][A-Z0-9_]*)` \|/gm)].map(([, name]) => name));
}

const containersOf = ({ spec }) => [...(spec.initContainers ?? []), ...spec.containers].filter(({ name }) => CONTAINERS_OF_THE_PROGRAM.has(name));

/** Sentences about variables that the chart sets and the program does not have. */
export function unknownVariables(pods) {
  const known = knownVariables();
  return pods.flatMap((pod) =>
    containersOf(pod).flatMap(({ name, env = [] }) =>
      env
        .filter((variable) => !known.has(variable.name) && !OTHER_VARIABLES.has(variable.name))
        .map((variable) => `${pod.name}, container ${name}: ${variable.name}`),
    ),
  );
}

const loadDist = (path) => import(pathToFileURL(join(ROOT, path)).href);

/** A value for variables that come from a secret: of a shape that any of them may have. */
const STAND_INS = { SWITCHYARD_DATABASE_URL: 'postgres://switchyard@postgres:5432/switchyard' };
/** Variables that name a file; the check of the configuration reads these, so a file that exists stands for each. */
const FILE_VARIABLE = /^SWITCHYARD_\w+_FILE$/;
const READABLE_FILE = fileURLToPath(import.meta.url);

/** Sentences about files and folders that a container is told of and that nothing mounts into it. */
export function unmountedPaths(pods) {
  return pods.flatMap((pod) =>
    containersOf(pod).flatMap(({ name, env = [], volumeMounts = [] }) => {
      const isMounted = (path) => volumeMounts.some(({ mountPath }) => path.startsWith(`${mountPath}/`) || path === mountPath);
      const paths = env.filter((variable) => /^SWITCHYARD_\w+_(FILE|DIR)$/.test(variable.name) && variable.value);
      return paths
        .filter(({ value }) => !isMounted(value))
        .map((variable) => `${pod.name}, container ${name}: ${variable.name} is ${variable.value}, which is not mounted`);
    }),
  );
}

/** Sentences about rendered pods whose configuration the program would refuse, asked of the program's own check. */
export async function refusedConfigurations(pods) {
  const { loadTargets, parseTargetNames } = await loadDist('services/all/dist/targets.js');
  const { checkTargets } = await loadDist('libs/runtime/dist/index.js');
  const problems = [];
  for (const pod of pods) {
    for (const { args = [], env = [] } of containersOf(pod)) {
      const names = args.find((argument) => argument.startsWith('--target='))?.slice('--target='.length);
      if (args[0] !== 'serve' || !names) continue;
      const valueOf = ({ name, value }) => (FILE_VARIABLE.test(name) ? READABLE_FILE : (value ?? STAND_INS[name] ?? 'from-a-secret'));
      const environment = Object.fromEntries(env.map((variable) => [variable.name, valueOf(variable)]));
      const refused = checkTargets(await loadTargets(parseTargetNames(names)), environment);
      problems.push(...refused.map((problem) => `${pod.name}: ${problem.env} ${problem.message}`));
    }
  }
  return problems;
}

/** Sentences about what the chart's table of targets says otherwise than the program's manifests. */
export async function wrongFacts() {
  const template = readFileSync(join(CHART, 'templates/_targets.tpl'), 'utf8');
  const table = parse(/define "switchyard\.facts" -}}\n([\s\S]*?){{- end -}}/.exec(template)[1]);
  const { ALL_TARGETS, loadTargets } = await loadDist('services/all/dist/targets.js');
  const problems = [];
  for (const target of await loadTargets(ALL_TARGETS)) {
    const { calls, database, grpc } = table[target.name] ?? { calls: [] };
    const required = new Set([...target.requires.map((port) => port.target), ...(target.requiresAttempts ? ['worker'] : [])]);
    if ([...required].sort().join() !== [...calls].sort().join())
      problems.push(`${target.name} calls ${[...required].join(', ')}, the chart says ${calls.join(', ')}`);
    if ((target.schema !== undefined) !== database)
      problems.push(`${target.name} ${target.schema ? 'has a schema' : 'has no schema'}, the chart says otherwise`);
    if (target.provides.length > 0 !== grpc)
      problems.push(`${target.name} ${target.provides.length > 0 ? 'serves gRPC' : 'serves no gRPC'}, the chart says otherwise`);
  }
  return problems;
}
