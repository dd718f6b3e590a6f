import { demand, seconds, type Action, type Stage } from '../action.js';
import { isServing, until } from '../kubernetes.js';
import { OPEN_STREAMS } from '../open-streams.js';
import { RELEASE } from '../release.js';
import { expectEvenShares } from './worker-shares.js';

const SCALED = ['ingress', 'worker'];
const AUTOSCALING = { enabled: true, minReplicas: 1, maxReplicas: 3, cpuPercent: 60, scaleDownPods: 2 };
const LOAD = 60;
const CALM = 1;
/** One word in so many milliseconds keeps a stream open and nearly no processor busy, also where others slow the node down. */
const CALM_PAUSE_MS = 5000;
/** kubectl costs a busy machine something, too. */
const REACH_POLL_MS = 5_000;
const SCALE_OUT_TIMEOUT_MS = 300_000;
const SCALE_IN_TIMEOUT_MS = 900_000;

interface Autoscaler {
  readonly status: {
    readonly currentReplicas?: number;
    readonly desiredReplicas: number;
    readonly currentMetrics?: readonly { resource?: { current: { averageUtilization?: number } } }[];
  };
}

/** A HorizontalPodAutoscaler takes ingress and worker from one pod to three under load, and back when the load has gone and the streams have not. */
export const scaleByLoad: Action = {
  name: 'scale-by-load',
  kind: 'planned',
  async run(stage) {
    const { world, release, settings } = stage;
    const targets = Object.fromEntries(SCALED.map((component) => [component, { autoscaling: AUTOSCALING }]));
    await world.setBackground(CALM);
    const { exitCode, stderr } = await release.upgrade(settings.images.current, { targets });
    demand(exitCode === 0, `helm upgrade with autoscaling failed: ${stderr.slice(0, 500)}`);
    const steps: string[] = [];
    await reach(stage, 1, SCALE_IN_TIMEOUT_MS, steps, true);
    const outMs = Date.now();
    await world.setBackground(LOAD);
    await reach(stage, 3, SCALE_OUT_TIMEOUT_MS, steps, false);
    const tookOutMs = Date.now() - outMs;
    const shares = await expectEvenShares(stage);
    const inMs = Date.now();
    await world.setBackground(CALM);
    await reach(stage, 1, SCALE_IN_TIMEOUT_MS, steps, true);
    const back = await release.upgrade(settings.images.current);
    demand(back.exitCode === 0, `helm upgrade without autoscaling failed: ${back.stderr.slice(0, 500)}`);
    // An autoscaler may have its last say after helm has set the count that it leaves behind.
    for (const component of SCALED) await stage.kubernetes.scale(component, 2);
    for (const component of SCALED) await stage.kubernetes.settled(component, 2);
    return `1 → 3 in ${seconds(tookOutMs)}, 3 → 1 in ${seconds(Date.now() - inMs)}; ${shares}; ${steps.join(', ')}`;
  },
};

/** Waits until the autoscalers have brought both to so many pods, with streams open all the time, and notes their steps. */
async function reach(stage: Stage, replicas: number, timeoutMs: number, steps: string[], isCalm: boolean): Promise<void> {
  const startMs = Date.now();
  const last = new Map<string, string>();
  const condition = async (): Promise<boolean> => {
    await stage.world.ensureStreams(OPEN_STREAMS.openCount, OPEN_STREAMS.longCount, isCalm ? CALM_PAUSE_MS : undefined);
    let isThere = true;
    for (const component of SCALED) {
      const { status } = await stage.kubernetes.get<Autoscaler>('hpa', `${RELEASE}-${component}`);
      const step = `${component} ${status.currentReplicas ?? 0} → ${status.desiredReplicas}`;
      if (last.get(component) !== step && status.currentReplicas !== status.desiredReplicas) {
        const cpu = status.currentMetrics?.[0]?.resource?.current.averageUtilization;
        steps.push(`${step} at ${seconds(Date.now() - startMs)}${cpu === undefined ? '' : ` (CPU ${cpu} %)`}`);
        stage.say(`  ${steps.at(-1)}`);
      }
      last.set(component, step);
      const pods = await stage.kubernetes.pods(component);
      isThere &&= pods.length === replicas && pods.every(isServing);
    }
    return isThere;
  };
  await until(`autoscalers to reach ${replicas} pods`, timeoutMs, condition, REACH_POLL_MS);
}
