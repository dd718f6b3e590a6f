import { setTimeout as delay } from 'node:timers/promises';
import { demand, type Stage } from '../action.js';
import { metricOf } from '../pod-metrics.js';

/** What ended in a worker; streams of seconds are most of it. */
const ATTEMPTS = 'switchyard_worker_attempts_total';
const AFTER_SCALING_MS = 30_000;
const WINDOW_MS = 30_000;
const LEAST_SHARE = 0.25;

/** Waits 30 s, then watches for another 30 s what each of three workers gets. @throws Error when one gets less than a quarter */
export async function expectEvenShares(stage: Stage): Promise<string> {
  await delay(AFTER_SCALING_MS);
  const before = await countsByWorker(stage);
  await delay(WINDOW_MS);
  const after = await countsByWorker(stage);
  const counts = [...after].map(([name, count]) => ({ name, count: count - (before.get(name) ?? 0) }));
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const shares = counts.map(({ count }) => count / total);
  const told = `shares of ${total} requests in ${WINDOW_MS / 1000} s: ${shares.map((share) => `${Math.round(100 * share)} %`).join(', ')}`;
  demand(shares.length === 3, `${shares.length} workers serve, not 3`);
  demand(total > 0 && shares.every((share) => share >= LEAST_SHARE), `A worker got less than a quarter: ${told}`);
  return told;
}

async function countsByWorker({ kubernetes }: Stage): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const pod of await kubernetes.readyPods('worker')) {
    const count = await metricOf(kubernetes, pod, ATTEMPTS);
    if (count !== undefined) counts.set(pod.metadata.name, count);
  }
  return counts;
}
