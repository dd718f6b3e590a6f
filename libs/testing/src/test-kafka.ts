import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';
import { superviseServer } from './supervised-server.js';

export interface TestKafka {
  readonly brokers: readonly string[];
  /** Unique to this call: with it, the topics of one test are no other's. */
  readonly topicPrefix: string;
  /** Kills the broker, which then comes back with its data; undefined for a broker that is not ours. Resolves when a new process has taken its place. */
  readonly restart?: () => Promise<void>;
}

/** Neither Docker nor a JDK with Maven is here, and no broker was named. */
export class KafkaUnavailable extends Error {
  override readonly name = 'KafkaUnavailable';
}

const SUPERVISOR = fileURLToPath(new URL('../supervisors/kafka.mjs', import.meta.url));
const START_WITHIN_MS = 420_000;
const RESTART_WITHIN_MS = 90_000;

/**
 * A real Kafka: the one that `SWITCHYARD_TEST_KAFKA_BROKERS` or `KAFKA_BROKERS` names, else one node for this process. Suites that use it are files named
 * `*.kafka.spec.ts`, which the test command leaves out, loudly, where Kafka cannot run.
 */
export async function startTestKafka(): Promise<TestKafka> {
  const topicPrefix = `test-${randomUUID().slice(0, 8)}.`;
  const given = process.env['SWITCHYARD_TEST_KAFKA_BROKERS'] ?? process.env['KAFKA_BROKERS'] ?? '';
  if (given !== '') return { brokers: given.split(','), topicPrefix };
  const { brokers, pidFile } = await startedNode();
  return { brokers, topicPrefix, restart: () => restart(pidFile) };
}

/** What a broker's secured listener asks for; PEM texts. */
export interface SecureListener {
  readonly port: number;
  readonly certificate: string;
  readonly key: string;
  /** Authority of the certificates that it demands of clients. */
  readonly ca: string;
  readonly username: string;
  readonly password: string;
}

/** A node of the test's own with a listener at `secure.port` that demands TLS, a client's certificate and a password (SASL PLAIN). */
export async function startSecureTestKafka(secure: SecureListener): Promise<TestKafka> {
  const scriptArguments = [JSON.stringify(secure)];
  await superviseServer({ kind: `kafka-${secure.port}`, script: SUPERVISOR, scriptArguments, startWithinMs: START_WITHIN_MS });
  return { brokers: [`127.0.0.1:${secure.port}`], topicPrefix: `test-${randomUUID().slice(0, 8)}.` };
}

async function startedNode(): Promise<{ brokers: string[]; pidFile: string }> {
  let line: string;
  try {
    line = await superviseServer({ kind: 'kafka', script: SUPERVISOR, startWithinMs: START_WITHIN_MS });
  } catch (error) {
    throw new KafkaUnavailable(error instanceof Error ? error.message : String(error));
  }
  return JSON.parse(line) as { brokers: string[]; pidFile: string };
}

async function restart(pidFile: string): Promise<void> {
  const readPid = (): number => Number(readFileSync(pidFile, 'utf8'));
  const pid = readPid();
  process.kill(pid, 'SIGKILL');
  await eventually(
    () => {
      if (readPid() === pid) throw new Error('Kafka has not come back.');
    },
    { timeoutMs: RESTART_WITHIN_MS, intervalMs: 100 },
  );
}
