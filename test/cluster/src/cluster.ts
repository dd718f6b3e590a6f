import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ACTIONS } from './actions/all-actions.js';
import { clusterTable, holds } from './cluster-table.js';
import { bundledDatabases } from './databases.js';
import { ExternalDatabases } from './external-databases.js';
import { runCluster } from './run-cluster.js';
import { readSettings } from './settings.js';

/** `nx run cluster:e2e [--only=<action,…>] [--databases=external] [--keep]`: see docs/guides/cluster-e2e.md. */
async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, keep: { type: 'boolean' }, databases: { type: 'string', default: 'bundled' } } });
  const wanted = values.only?.split(',');
  const unknown = wanted?.filter((name) => !ACTIONS.some((action) => action.name === name)) ?? [];
  if (unknown.length > 0) throw new Error(`There is no action ${unknown.join(', ')}; there are ${ACTIONS.map(({ name }) => name).join(', ')}.`);
  if (!/^(bundled|external)$/.test(values.databases)) throw new Error(`--databases is bundled or external, not ${values.databases}.`);
  const chart = fileURLToPath(new URL('../../../charts/switchyard', import.meta.url));
  const settings = readSettings(process.env, chart);
  const startMs = Date.now();
  const say = (text: string) => console.log(`${String(Math.round((Date.now() - startMs) / 1000)).padStart(5)} s  ${text}`);
  const report = await runCluster({
    settings,
    databases: values.databases === 'external' ? new ExternalDatabases(settings) : bundledDatabases(settings),
    actions: ACTIONS.filter(({ name }) => wanted === undefined || wanted.includes(name)),
    keeps: values.keep ?? false,
    say,
  });
  console.log(clusterTable(report));
  return holds(report) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
