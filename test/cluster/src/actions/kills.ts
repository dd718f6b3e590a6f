import { setTimeout as delay } from 'node:timers/promises';
import type { Action } from '../action.js';
import { seconds } from '../action.js';
import { until, type Kubernetes } from '../kubernetes.js';
import { expectAnswers } from './upgrade.js';

const WITHOUT_KAFKA_MS = 15_000;
const GONE_TIMEOUT_MS = 120_000;
const SERVICES = ['ingress', 'worker', 'router', 'billing', 'analytics'];
const RECOVERY_TIMEOUT_MS = 120_000;

/** Kafka is away; an ingress and a worker are killed meanwhile; then Postgres is. Nobody repairs anything but Kafka. */
export const kills: Action = {
  name: 'kills',
  kind: 'unplanned',
  async run(stage) {
    const { kubernetes, databases } = stage;
    const replicas = new Map<string, number>();
    for (const component of SERVICES) replicas.set(component, (await kubernetes.readyPods(component)).length);
    const settled = async () => {
      for (const [component, count] of replicas) await kubernetes.settled(component, count);
    };
    await databases.kubernetes.scale('kafka', 0);
    await databases.kubernetes.settled('kafka', 0, GONE_TIMEOUT_MS);
    await delay(WITHOUT_KAFKA_MS);
    const killedMs = Date.now();
    for (const component of ['ingress', 'worker']) await killOne(kubernetes, component);
    await expectAnswers(stage, RECOVERY_TIMEOUT_MS);
    const answeredMs = Date.now() - killedMs;
    await databases.kubernetes.scale('kafka', 1);
    await databases.kubernetes.settled('kafka', 1);
    await settled();
    const postgresMs = Date.now();
    await killOne(databases.kubernetes, 'postgres');
    await databases.kubernetes.settled('postgres', 1);
    await settled();
    await expectAnswers(stage, RECOVERY_TIMEOUT_MS);
    return `without Kafka, answers ${seconds(answeredMs)} after an ingress and a worker were killed; all well ${seconds(Date.now() - postgresMs)} after Postgres was`;
  },
};

async function killOne(kubernetes: Kubernetes, component: string): Promise<void> {
  const [pod] = await kubernetes.readyPods(component);
  await kubernetes.call(['delete', 'pod', pod!.metadata.name, '--force', '--grace-period=0']);
  await until(`${pod!.metadata.name} to be replaced`, RECOVERY_TIMEOUT_MS, async () =>
    (await kubernetes.pods(component)).every(({ metadata }) => metadata.uid !== pod!.metadata.uid),
  );
}
