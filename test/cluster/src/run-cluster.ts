import { setTimeout as delay } from 'node:timers/promises';
import { demand, seconds, type Action, type Stage } from './action.js';
import { FROM_EARLIER } from './actions/all-actions.js';
import { Books } from './books.js';
import type { Databases } from './databases.js';
import { databasesNamespace } from './external-databases.js';
import { Kubernetes, until } from './kubernetes.js';
import { OPEN_STREAMS } from './open-streams.js';
import { PodHistory } from './pod-history.js';
import { Release, RELEASE } from './release.js';
import type { ClusterSettings } from './settings.js';
import { judge, type Interval, type Judgement } from './verdict.js';
import { World } from './world.js';

export interface RunOptions {
  readonly settings: ClusterSettings;
  readonly databases: Databases;
  readonly actions: readonly Action[];
  /** Leaves namespaces and release for a look. */
  readonly keeps: boolean;
  readonly say: (text: string) => void;
}

export interface ActionReport {
  readonly name: string;
  readonly kind: Action['kind'];
  /** Streams that were open when it began, and such with a minute and more to go. */
  readonly openCount?: number;
  readonly longCount?: number;
  readonly tookMs: number;
  /** What was seen; or why it failed. */
  readonly told: string;
  readonly failed: boolean;
}

export interface RunReport extends Judgement {
  readonly installedMs: number;
  readonly firstBilledMs: number;
  readonly actions: readonly ActionReport[];
  readonly drainsMs: Readonly<Record<string, number>>;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly bookedCount: number;
  readonly verifiedTransactions: string;
}

const MODEL = 'openai/gpt-4o-mini';
/** Short requests that are always under way. */
const BACKGROUND = 8;
const FIRST_BILLED_TIMEOUT_MS = 300_000;
const BOOKED_TIMEOUT_MS = 180_000;
/** What a death still does after everything is ready again. */
const AFTERMATH_MS = 15_000;

/** Installs, runs the actions one after the other under load, and compares what clients saw with the books. */
export async function runCluster({ settings, databases, actions, keeps, say }: RunOptions): Promise<RunReport> {
  const world = new World(settings);
  const kubernetes = new Kubernetes(settings, settings.namespace);
  const release = new Release(settings, world, databases);
  const stage: Stage = {
    settings,
    kubernetes,
    databases,
    world,
    release,
    books: new Books(kubernetes, databases),
    history: new PodHistory(kubernetes),
    otherRecords: [],
    say,
  };
  try {
    await removeAll(stage);
    return await runOn(stage, actions);
  } finally {
    stage.history.stop();
    release.dispose();
    if (!keeps) await removeAll(stage);
  }
}

async function runOn(stage: Stage, actions: readonly Action[]): Promise<RunReport> {
  const { databases, world, books, history, otherRecords, say } = stage;
  await makeNamespaces(stage);
  await databases.start();
  await world.startProviders();
  stage.release.useCatalog(await world.catalog());
  history.start();
  const startMs = Date.now();
  const installation = await install(stage, actions);
  await world.setBackground(BACKGROUND);
  const reports: ActionReport[] = [];
  const unplanned: Interval[] = [];
  for (const action of actions) {
    const report = await runAction(stage, action, unplanned);
    reports.push(report);
    say(tell(report));
  }
  const { outcomes } = await world.finish();
  const records = [...(await world.records()), ...otherRecords];
  const wholeIds = records.filter(({ outcome }) => outcome === 'whole').map(({ generationId }) => generationId ?? '');
  await allBooked(stage, wholeIds).catch((error: unknown) => say(String(error)));
  const { differences, transactionCount } = await books.verify();
  const booked = await books.generations();
  return {
    ...installation,
    ...judge({ records, booked, unplanned, differences }),
    actions: reports,
    drainsMs: history.longestDrains(startMs, Date.now()),
    outcomes,
    bookedCount: booked.length,
    verifiedTransactions: transactionCount,
  };
}

async function makeNamespaces({ settings, databases, world, kubernetes }: Stage): Promise<void> {
  const restricted = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  for (const name of new Set([settings.namespace, world.namespace, databases.kubernetes.namespace])) {
    await world.kubernetes.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { ...restricted, 'switchyard.test/suite': 'cluster' } } });
  }
  for (const file of settings.objectFiles) await kubernetes.call(['apply', '-f', file]);
}

/** From `helm install` to the first answer that is in the ledger. */
async function install(stage: Stage, actions: readonly Action[]): Promise<{ installedMs: number; firstBilledMs: number }> {
  const { release, books, world, kubernetes, settings, say } = stage;
  const image = actions.some(({ name }) => FROM_EARLIER.has(name)) ? settings.images.earlier : settings.images.current;
  const startMs = Date.now();
  const { exitCode, stderr } = await release.install(image);
  demand(exitCode === 0, `helm install failed: ${stderr.slice(0, 1000)}`);
  const installedMs = Date.now() - startMs;
  await until('an ingress to be ready', FIRST_BILLED_TIMEOUT_MS, async () => (await kubernetes.readyPods('ingress')).length > 0);
  await world.startClient(`http://${RELEASE}.${settings.namespace}.svc/api/v1`, await books.demoKey(), MODEL);
  await world.setBackground(1);
  await until('the first answer to be billed', FIRST_BILLED_TIMEOUT_MS, async () => (await books.generations()).some(({ postingCount }) => postingCount === 1));
  const firstBilledMs = Date.now() - startMs;
  for (const component of ['ingress', 'worker', 'router', 'billing', 'analytics']) await kubernetes.settled(component, 2);
  say(`installed in ${seconds(installedMs)}, first billed answer after ${seconds(firstBilledMs)}`);
  return { installedMs, firstBilledMs };
}

async function runAction(stage: Stage, action: Action, unplanned: Interval[]): Promise<ActionReport> {
  const { name, kind } = action;
  const streams = kind === 'forbidden' ? undefined : await stage.world.ensureStreams(OPEN_STREAMS.openCount, OPEN_STREAMS.longCount);
  const open = streams === undefined ? {} : { openCount: streams.openCount, longCount: streams.longCount };
  const startMs = Date.now();
  try {
    demand(streams === undefined || (streams.openCount >= OPEN_STREAMS.openCount && streams.longCount >= OPEN_STREAMS.longCount), 'too few streams are open');
    const told = await action.run(stage);
    return { name, kind, ...open, tookMs: Date.now() - startMs, told, failed: false };
  } catch (error) {
    return { name, kind, ...open, tookMs: Date.now() - startMs, told: error instanceof Error ? error.message : String(error), failed: true };
  } finally {
    if (kind === 'unplanned') {
      await delay(AFTERMATH_MS);
      unplanned.push({ fromMs: startMs, toMs: Date.now() });
    }
    const { outcomes } = await stage.world.status();
    stage.say(`  streams so far: ${outcomes.whole} whole, ${outcomes.cut} cut, ${outcomes.refused} refused, ${outcomes.wrong_text} garbled`);
  }
}

function tell({ name, kind, openCount, longCount, tookMs, told, failed }: ActionReport): string {
  const streams = openCount === undefined ? '' : ` with ${openCount} streams open (${longCount} for a minute and more)`;
  return `${failed ? 'FAILED' : 'ok    '} ${kind} ${name}${streams}, ${seconds(tookMs)}: ${told}`;
}

async function allBooked({ books }: Stage, generationIds: readonly string[]): Promise<void> {
  await until('every whole answer to be booked', BOOKED_TIMEOUT_MS, async () => {
    const known = new Set((await books.generations()).map(({ generationId }) => generationId));
    return generationIds.every((id) => known.has(id));
  });
}

async function removeAll({ settings, release, world, kubernetes }: Stage): Promise<void> {
  const { stdout } = await kubernetes.attempt(['get', 'namespaces', '-l', 'switchyard.test/suite=cluster', '-o', 'name']);
  if (stdout.trim() === '') return;
  await release.uninstall();
  // Streams have ended or are of no more interest: nothing to wait for.
  await kubernetes.attempt(['delete', 'pods', '--all', '--force', '--grace-period=0']);
  const namespaces = [settings.namespace, world.namespace, databasesNamespace(settings)];
  await kubernetes.attempt(['delete', 'namespace', ...namespaces, '--ignore-not-found', '--timeout=180s'], { timeoutMs: 190_000 });
}
