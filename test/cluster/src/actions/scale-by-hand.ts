import { seconds, type Action, type Stage } from '../action.js';
import { OPEN_STREAMS } from '../open-streams.js';
import { expectEvenShares } from './worker-shares.js';

const SCALED = ['ingress', 'worker'];

/** Ingress and worker 2 → 1 → 3 → 1, each step with streams open. */
export const scaleByHand: Action = {
  name: 'scale-by-hand',
  kind: 'planned',
  async run(stage) {
    await scaleTo(stage, 1);
    await stage.world.ensureStreams(OPEN_STREAMS.openCount, OPEN_STREAMS.longCount);
    await scaleTo(stage, 3);
    const shares = await expectEvenShares(stage);
    await stage.world.ensureStreams(OPEN_STREAMS.openCount, OPEN_STREAMS.longCount);
    const startMs = Date.now();
    await scaleTo(stage, 1);
    return `${shares}; 3 → 1 took ${seconds(Date.now() - startMs)}`;
  },
};

async function scaleTo({ kubernetes }: Stage, replicas: number): Promise<void> {
  for (const component of SCALED) await kubernetes.scale(component, replicas);
  for (const component of SCALED) await kubernetes.settled(component, replicas);
}
