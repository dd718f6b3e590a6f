import { setTimeout as delay } from 'node:timers/promises';
import { demand, type Stage } from '../action.js';
import { OPEN_STREAMS } from '../open-streams.js';
import { metricOf } from '../pod-metrics.js';

const RUNNING = 'switchyard_worker_running_attempts';
const ENDED = 'switchyard_worker_attempts_total';
const AFTER_SCALING_MS = 30_000;
const SAMPLES = 4;
const SAMPLE_MS = 4_000;
const LEAST_SHARE = 0.25;
/** The first worker keeps the streams that it had; there has to be something for the others to take. */
const NEW_STREAMS = 150;

/**
 * More streams come when there are three workers; 30 s later each has to carry a quarter of all requests: those that run, as the workers' own metrics tell,
 * the mean of some samples. @throws Error when one has less
 */
export async function expectEvenShares(stage: Stage): Promise<string> {
  const beforeMs = Date.now();
  await stage.world.ensureStreams(OPEN_STREAMS.openCount, OPEN_STREAMS.longCount + NEW_STREAMS);
  await delay(Math.max(0, AFTER_SCALING_MS - (Date.now() - beforeMs)));
  const endedBefore = await readWorkers(stage, ENDED);
  const carried = new Map<string, number>();
  for (let sample = 0; sample < SAMPLES; sample++) {
    for (const [name, count] of await readWorkers(stage, RUNNING)) carried.set(name, (carried.get(name) ?? 0) + count / SAMPLES);
    await delay(SAMPLE_MS);
  }
  const ended = [...(await readWorkers(stage, ENDED))].map(([name, count]) => count - (endedBefore.get(name) ?? 0));
  const shares = sharesOf([...carried.values()]);
  const told = `workers carried ${percentages(shares)} of ${Math.round(sum([...carried.values()]))} running requests, and ended ${percentages(sharesOf(ended))} of ${sum(ended)}`;
  demand(shares.length === 3, `${shares.length} workers serve, not 3`);
  demand(
    shares.every((share) => share >= LEAST_SHARE),
    `A worker carries less than a quarter: ${told}`,
  );
  return told;
}

async function readWorkers({ kubernetes }: Stage, metric: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const pod of await kubernetes.readyPods('worker')) {
    const count = await metricOf(kubernetes, pod, metric);
    if (count !== undefined) counts.set(pod.metadata.name, count);
  }
  return counts;
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
const sharesOf = (counts: readonly number[]): number[] => counts.map((count) => (sum(counts) === 0 ? 0 : count / sum(counts)));
const percentages = (shares: readonly number[]): string => shares.map((share) => `${Math.round(100 * share)} %`).join(', ');
