import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment } from '@switchyard/config';
import { PROGRAM_ROOT } from './data-directory.js';
import { freePort, isPortFree } from './free-port.js';
import { ManagedProcess } from './managed-process.js';
import type { SecretsFile } from './secrets-file.js';
import { endStaleProcess, isRunning, readPidFile } from './stale-process.js';

const PROGRAM = join(PROGRAM_ROOT, 'tools', 'kafka', 'start-kafka.mjs');
/** The first start fetches Kafka's jars or its image. */
const START_TIMEOUT_MS = 600_000;
const STOP_TIMEOUT_MS = 30_000;

export interface KafkaBroker {
  readonly brokers: readonly string[];
  readonly pid: number;
  stop(): Promise<void>;
  onUnexpectedExit(listener: (how: string) => void): void;
}

/** A real Kafka with its data in `<data dir>/kafka`. The signal ends it while it starts: jars are fetched for minutes. */
export async function startKafkaNode(dataDirectory: string, secrets: SecretsFile, environment: Environment, cancelSignal: AbortSignal): Promise<KafkaBroker> {
  const folder = join(dataDirectory, 'kafka');
  const pidFile = join(dataDirectory, 'kafka.pid');
  const stale = readPidFile(pidFile);
  if (stale !== undefined && isRunning(stale, 'kafka')) await endStaleProcess(stale, 'SIGTERM', STOP_TIMEOUT_MS);
  const { kafkaPort } = secrets.value;
  const port = kafkaPort !== undefined && (await isPortFree(kafkaPort)) ? kafkaPort : await freePort();
  secrets.save({ kafkaPort: port });
  const child = new ManagedProcess({
    name: 'Kafka',
    script: PROGRAM,
    scriptArguments: ['--data-dir', folder, '--port', String(port), '--with-parent'],
    environment,
    logFile: join(dataDirectory, 'logs', 'kafka.log'),
    answersWithLine: true,
  });
  const stopEarly = (): void => void child.stop(STOP_TIMEOUT_MS);
  cancelSignal.addEventListener('abort', stopEarly);
  try {
    const { brokers, pid } = JSON.parse(await child.firstLine(START_TIMEOUT_MS)) as { brokers: string[]; pid: number };
    writeFileSync(pidFile, `${pid}\n`);
    return { brokers, pid, stop: () => child.stop(STOP_TIMEOUT_MS), onUnexpectedExit: (listener) => child.onUnexpectedExit(listener) };
  } catch (error) {
    child.kill();
    throw error;
  } finally {
    cancelSignal.removeEventListener('abort', stopEarly);
  }
}
