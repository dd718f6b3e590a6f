import { seconds, type Action } from '../action.js';

/** `kubectl rollout restart` of one workload. */
export function roll(component: string): Action {
  return {
    name: `roll-${component}`,
    kind: 'planned',
    async run({ kubernetes, history }) {
      const startMs = Date.now();
      await kubernetes.call(['rollout', 'restart', await kubernetes.workload(component)]);
      await kubernetes.rolledOut(component);
      await kubernetes.settled(component, 2);
      const drainMs = history.longestDrains(startMs, Date.now())[component] ?? 0;
      return `rolled in ${seconds(Date.now() - startMs)}, longest drain ${seconds(drainMs)}`;
    },
  };
}
