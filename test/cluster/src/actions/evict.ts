import { demand, seconds, type Action, type Stage } from '../action.js';
import type { CommandResult } from '../command-line.js';

const COMPONENTS = ['ingress', 'worker', 'router', 'billing', 'analytics'];

/** One pod of each workload is evicted; while it is away the budget refuses the second. */
export const evict: Action = {
  name: 'evict',
  kind: 'planned',
  async run(stage) {
    const startMs = Date.now();
    for (const component of COMPONENTS) await evictOneOf(stage, component);
    for (const component of COMPONENTS) await stage.kubernetes.settled(component, 2);
    return `a pod of each workload left within ${seconds(Date.now() - startMs)}, and each budget refused a second one`;
  },
};

async function evictOneOf(stage: Stage, component: string): Promise<void> {
  const [first, second] = await stage.kubernetes.readyPods(component);
  demand(first !== undefined && second !== undefined, `Two pods of ${component} are needed to evict one`);
  const allowed = await evictPod(stage, first.metadata.name);
  demand(allowed.exitCode === 0, `The eviction of ${first.metadata.name} was refused: ${allowed.stderr}`);
  const refused = await evictPod(stage, second.metadata.name);
  demand(refused.exitCode !== 0 && /disruption budget/.test(refused.stderr), `The budget of ${component} let a second pod go: ${refused.stderr}`);
}

function evictPod({ kubernetes }: Stage, name: string): Promise<CommandResult> {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: kubernetes.namespace } };
  return kubernetes.attempt(['create', '--raw', `/api/v1/namespaces/${kubernetes.namespace}/pods/${name}/eviction`, '-f', '-'], {
    input: JSON.stringify(eviction),
  });
}
