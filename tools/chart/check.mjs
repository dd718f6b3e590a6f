/**
 * Every check of the chart: `npm test -- chart`.
 *
 * Each values file of the chart is linted, rendered, held against the schemas of three Kubernetes versions, against the Pod Security Standard `restricted`, against
 * what policies may open, and against the program's own configuration; then the chart's unit tests run, and the README is compared with what helm-docs writes.
 */
import { readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installTool } from './chart-tools.mjs';
import { KUBERNETES_VERSIONS } from './kubernetes-versions.mjs';
import { openDoors } from './network-doors.mjs';
import { houseViolations, podSpecsOf, restrictedViolations } from './pod-security.mjs';
import { refusedConfigurations, unknownVariables, unmountedPaths, wrongFacts } from './program-settings.mjs';
import { CHART, outputOf, renderChart, valuesFiles } from './rendered-chart.mjs';

const SCHEMAS = fileURLToPath(new URL('schemas', import.meta.url));
/** Kubernetes' own kinds by version, and those that operators bring. A kind without a schema is an error. */
const SCHEMA_LOCATIONS = ['{{ .NormalizedKubernetesVersion }}', 'operators'].map((folder) =>
  join(SCHEMAS, folder, '{{ .ResourceKind }}{{ .KindSuffix }}.json'),
);
const LINES_PER_PROBLEM = 40;

let failureCount = 0;

function report(name, problems) {
  if (problems.length === 0) return console.log(`ok      ${name}`);
  failureCount += 1;
  console.log(`FAILED  ${name}`);
  for (const problem of problems.slice(0, LINES_PER_PROBLEM)) console.log(`        ${problem}`);
}

const linesOf = ({ code, text }) => (code === 0 ? [] : text.trim().split('\n'));

/** Kubeconform with manifests on its standard input. */
function validate(kubeconform, version, manifests) {
  const kubeconformArguments = ['-strict', '-kubernetes-version', version, ...SCHEMA_LOCATIONS.flatMap((location) => ['-schema-location', location])];
  return new Promise((done, fail) => {
    const child = spawn(kubeconform, kubeconformArguments, { stdio: ['pipe', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (text += chunk));
    child.on('error', fail).on('close', (code) => done({ code, text }));
    child.stdin.on('error', () => undefined).end(manifests);
  });
}

async function checkValues(tools, values) {
  report(`${values}: lint`, linesOf(await outputOf(tools.helm, ['lint', '--strict', '--quiet', CHART, '--values', join(CHART, values)])));
  let pods = [];
  let doors = [];
  for (const version of KUBERNETES_VERSIONS) {
    const rendered = await renderChart(tools.helm, { values, kubernetesVersion: version });
    report(`${values}: schemas of Kubernetes ${version}`, linesOf(await validate(tools.kubeconform, version, rendered.text)));
    pods = podSpecsOf(rendered.manifests);
    doors = openDoors(rendered.manifests);
  }
  const each = (rule) => pods.flatMap(({ name, spec }) => rule(spec).map((text) => `${name}: ${text}`));
  report(`${values}: Pod Security Standard restricted`, each(restrictedViolations));
  report(`${values}: rules for pods`, each(houseViolations));
  report(`${values}: only the worker reaches out, only the ingress is reached`, doors);
  report(`${values}: variables that the program has`, unknownVariables(pods));
  report(`${values}: files that are mounted`, unmountedPaths(pods));
  report(`${values}: configuration that the program takes`, await refusedConfigurations(pods));
}

async function main() {
  const tools = Object.fromEntries(['helm', 'kubeconform', 'helm-unittest', 'helm-docs'].map((name) => [name, installTool(name)]));
  for (const values of valuesFiles()) await checkValues(tools, values);
  report('what the chart knows of targets', await wrongFacts());
  report('unit tests', linesOf(await outputOf(tools['helm-unittest'], ['--strict', '--color=false', CHART])));
  const readme = await outputOf(tools['helm-docs'], ['--dry-run', '--chart-search-root', CHART, '--log-level', 'error']);
  const isCurrent = readme.stdout.trim() === readFileSync(join(CHART, 'README.md'), 'utf8').trim();
  report('README.md is what helm-docs writes', isCurrent ? [] : ['write it anew: node tools/chart/write-readme.mjs']);
  console.log(failureCount === 0 ? '\nThe chart holds.' : `\n${failureCount} checks of the chart failed.`);
  return failureCount === 0 ? 0 : 1;
}

process.exitCode = await main();
