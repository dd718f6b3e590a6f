import { setTimeout as delay } from 'node:timers/promises';
import { demand, seconds, type Action, type Stage } from '../action.js';
import { metricOf } from '../pod-metrics.js';

const COMPONENTS = ['ingress', 'worker', 'router', 'billing', 'analytics'];
/** Counters that tell whether a pod of this kind serves; workers once had another name for theirs. */
const COUNTERS: Readonly<Record<string, readonly string[]>> = {
  ingress: ['switchyard_generations_total'],
  worker: ['switchyard_worker_attempts_total', 'switchyard_attempts_total'],
};
const SAMPLE_MS = 5_000;
const TOGETHER_MS = 60_000;
/** Pods of the next version serve for so long before the next of the former one ends. */
const SLOW_TARGETS = { ingress: { minReadySeconds: 75 }, worker: { minReadySeconds: 75 } };

/** An upgrade whose migration fails: the release fails, and the pods that serve are the same ones as before. */
export const failedMigration: Action = {
  name: 'failed-migration',
  kind: 'planned',
  async run(stage) {
    const before = await servingPods(stage);
    await stage.books.query(
      `CREATE FUNCTION public.refuse_changes() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no changes now'; END $$`,
    );
    await stage.books.query('CREATE EVENT TRIGGER refuse_changes ON ddl_command_start EXECUTE FUNCTION public.refuse_changes()');
    const { exitCode, stderr } = await stage.release
      .upgrade(stage.settings.images.current, { migration: { backoffLimit: 0 } })
      .finally(() => stage.books.query('DROP EVENT TRIGGER refuse_changes'));
    await stage.books.query('DROP FUNCTION public.refuse_changes()');
    demand(exitCode !== 0, 'helm upgrade succeeded although no migration could be applied');
    demand((await stage.release.revision()).status === 'failed', 'the release is not marked as failed');
    demand((await servingPods(stage)).join() === before.join(), 'pods were replaced although the migration had failed');
    await expectAnswers(stage);
    return `the release failed (${/(pre-upgrade[^\n]{0,80})/.exec(stderr)?.[1] ?? stderr.trim().slice(0, 120)}), the same ${before.length} pods went on serving`;
  },
};

/** From the earlier image to the current one, with new tables and new fields; both serve side by side for a minute. */
export const upgrade: Action = {
  name: 'upgrade',
  kind: 'planned',
  async run(stage) {
    const startMs = Date.now();
    const sampler = new VersionSampler(stage);
    const sampling = sampler.run();
    const { exitCode, stderr } = await stage.release.upgrade(stage.settings.images.current, { targets: SLOW_TARGETS });
    sampler.stop();
    await sampling;
    demand(exitCode === 0, `helm upgrade failed: ${stderr.slice(0, 500)}`);
    await expectImage(stage, stage.settings.images.current);
    const together = sampler.togetherMs();
    const told = Object.entries(together).map(([component, ms]) => `${component} ${seconds(ms)}`);
    demand(
      Object.values(together).every((ms) => ms >= TOGETHER_MS),
      `Both versions served side by side for less than a minute: ${told.join(', ')}`,
    );
    return `upgraded in ${seconds(Date.now() - startMs)}; both versions served side by side: ${told.join(', ')}`;
  },
};

/** Back to the revision before: earlier programs on the newer schema. */
export const rollback: Action = {
  name: 'rollback',
  kind: 'planned',
  async run(stage) {
    const startMs = Date.now();
    const { exitCode, stderr } = await stage.release.rollback(1);
    demand(exitCode === 0, `helm rollback failed: ${stderr.slice(0, 500)}`);
    await expectImage(stage, stage.settings.images.earlier);
    await expectAnswers(stage);
    return `rolled back in ${seconds(Date.now() - startMs)}, and answers came`;
  },
};

/** Forward again, for what comes after. */
export const upgradeAgain: Action = {
  name: 'upgrade-again',
  kind: 'planned',
  async run(stage) {
    const startMs = Date.now();
    const { exitCode, stderr } = await stage.release.upgrade(stage.settings.images.current);
    demand(exitCode === 0, `helm upgrade failed: ${stderr.slice(0, 500)}`);
    await expectImage(stage, stage.settings.images.current);
    return `upgraded in ${seconds(Date.now() - startMs)}`;
  },
};

/** Notes which versions served when, by counters that rise. */
class VersionSampler {
  private readonly last = new Map<string, number>();
  /** By component, then by image: when a ready pod's counter was seen to rise. */
  private readonly rises: { readonly component: string; readonly image: string; readonly atMs: number }[] = [];
  private isStopped = false;

  constructor(private readonly stage: Stage) {}

  stop(): void {
    this.isStopped = true;
  }

  async run(): Promise<void> {
    while (!this.isStopped) {
      for (const [component, counters] of Object.entries(COUNTERS)) await this.sample(component, counters);
      await delay(SAMPLE_MS);
    }
  }

  /** By component: from the first time that the newer image served to the last time that the earlier one did. */
  togetherMs(): Record<string, number> {
    const { earlier, current } = this.stage.settings.images;
    return Object.fromEntries(
      Object.keys(COUNTERS).map((component) => {
        const timesOf = (image: string) => this.rises.filter((rise) => rise.component === component && rise.image.endsWith(image)).map(({ atMs }) => atMs);
        return [component, Math.max(0, Math.max(0, ...timesOf(earlier)) - Math.min(Number.MAX_SAFE_INTEGER, ...timesOf(current)))];
      }),
    );
  }

  private async sample(component: string, counters: readonly string[]): Promise<void> {
    for (const pod of await this.stage.kubernetes.readyPods(component)) {
      const count = await metricOf(this.stage.kubernetes, pod, ...counters);
      const before = this.last.get(pod.metadata.uid);
      if (count === undefined) continue;
      this.last.set(pod.metadata.uid, count);
      if (before !== undefined && count > before) this.rises.push({ component, image: pod.spec.containers[0]?.image ?? '', atMs: Date.now() });
    }
  }
}

async function servingPods({ kubernetes }: Stage): Promise<string[]> {
  const pods = await Promise.all(COMPONENTS.map((component) => kubernetes.readyPods(component)));
  return pods
    .flat()
    .map((pod) => pod.metadata.uid)
    .sort();
}

async function expectImage({ kubernetes }: Stage, image: string): Promise<void> {
  for (const component of COMPONENTS) {
    await kubernetes.settled(component, 2);
    for (const pod of await kubernetes.readyPods(component)) {
      demand((pod.spec.containers[0]?.image ?? '').endsWith(image), `${pod.metadata.name} runs ${pod.spec.containers[0]?.image}, not ${image}`);
    }
  }
}

/** New requests are answered whole. */
export async function expectAnswers({ world }: Stage, timeoutMs = 60_000): Promise<void> {
  const { outcomes } = await world.status();
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    if ((await world.status()).outcomes.whole > outcomes.whole + 5) return;
    demand(Date.now() < deadlineMs, `No new answers within ${timeoutMs / 1000} s`);
    await delay(1000);
  }
}
