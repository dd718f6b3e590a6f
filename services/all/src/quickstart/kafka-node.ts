import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Environment } from '@switchyard/config';
import { SwitchyardError } from '@switchyard/errors';
import { ManagedProcess } from './managed-process.js';

const SUPERVISOR = fileURLToPath(new URL('./kafka-supervisor.js', import.meta.url));
/** The first start fetches Kafka's jars or its image. */
const START_TIMEOUT_MS = 600_000;
const STOP_TIMEOUT_MS = 30_000;

export interface KafkaBroker {
  readonly brokers: readonly string[];
  readonly pid: number;
  stop(): Promise<void>;
}

/** A real Kafka with its data in `<data dir>/kafka`. */
export async function startKafkaNode(dataDirectory: string, environment: Environment): Promise<KafkaBroker> {
  const child = new ManagedProcess({
    name: 'Kafka',
    script: SUPERVISOR,
    scriptArguments: [join(dataDirectory, 'kafka')],
    environment,
    logFile: join(dataDirectory, 'logs', 'kafka.log'),
    answersWithLine: true,
  });
  try {
    const answer = JSON.parse(await child.firstLine(START_TIMEOUT_MS)) as { brokers: string[]; pid: number } | { problem: string };
    if ('problem' in answer) throw new SwitchyardError('precondition_failed', answer.problem);
    return { ...answer, stop: () => child.stop(STOP_TIMEOUT_MS) };
  } catch (error) {
    child.kill();
    throw error;
  }
}
