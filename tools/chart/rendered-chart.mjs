/** Renders the chart as Helm does, for checks of what comes out. */
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

export const CHART = fileURLToPath(new URL('../../charts/switchyard', import.meta.url));

/** The values files that stand for the ways the chart is used, relative to the chart. */
export function valuesFiles() {
  const examples = readdirSync(join(CHART, 'ci')).filter((file) => file.endsWith('-values.yaml'));
  return [...examples.sort().map((file) => `ci/${file}`), 'values-production.yaml'];
}

/** One run of a program: its exit code and what it said, both streams in one. */
export async function outputOf(program, programArguments, options = {}) {
  try {
    const { stdout, stderr } = await run(program, programArguments, { maxBuffer: MAX_OUTPUT_BYTES, encoding: 'utf8', ...options });
    return { code: 0, stdout, text: stdout + stderr };
  } catch (error) {
    return { code: error.code ?? 1, stdout: error.stdout ?? '', text: `${error.stdout ?? ''}${error.stderr ?? error.message}` };
  }
}

/**
 * The manifests of one values file, hooks and tests included.
 * @throws Error with what Helm said.
 */
export async function renderChart(helm, { values, kubernetesVersion, settings = [] }) {
  const set = settings.flatMap((setting) => ['--set', setting]);
  const version = kubernetesVersion ? ['--kube-version', kubernetesVersion] : [];
  const { code, stdout, text } = await outputOf(helm, [
    'template',
    'switchyard',
    CHART,
    '--namespace',
    'switchyard',
    '--values',
    join(CHART, values),
    ...version,
    ...set,
  ]);
  if (code !== 0) throw new Error(text.trim());
  const documents = parseAllDocuments(stdout);
  const broken = documents.flatMap((document) => document.errors);
  if (broken.length > 0) throw new Error(broken[0].message);
  return { text: stdout, manifests: documents.map((document) => document.toJS()).filter((manifest) => manifest !== null) };
}
