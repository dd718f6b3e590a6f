import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processEnvironment } from '@switchyard/config';
import { SwitchyardError } from '@switchyard/errors';
import { ManagedProcess } from './managed-process.js';
import type { PostgresOrder } from './postgres-supervisor.js';

const SUPERVISOR = fileURLToPath(new URL('./postgres-supervisor.js', import.meta.url));
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 30_000;

export interface EmbeddedDatabase {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
  onUnexpectedExit(listener: (how: string) => void): void;
}

/** A real Postgres in `<data dir>/postgres`, created with the first start. */
export async function startEmbeddedPostgres(dataDirectory: string, password: string): Promise<EmbeddedDatabase> {
  const order: PostgresOrder = { folder: join(dataDirectory, 'postgres'), password };
  const supervisor = new ManagedProcess({
    name: 'Postgres',
    script: SUPERVISOR,
    scriptArguments: [],
    environment: processEnvironment(),
    logFile: join(dataDirectory, 'logs', 'postgres.log'),
    input: JSON.stringify(order),
    answersWithLine: true,
  });
  try {
    const answer = JSON.parse(await supervisor.firstLine(START_TIMEOUT_MS)) as { url: string; pid: number } | { problem: string };
    if ('problem' in answer) throw new SwitchyardError('precondition_failed', answer.problem);
    return { ...answer, stop: () => supervisor.stop(STOP_TIMEOUT_MS), onUnexpectedExit: (listener) => supervisor.onUnexpectedExit(listener) };
  } catch (error) {
    supervisor.kill();
    throw error;
  }
}
