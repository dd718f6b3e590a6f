import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processEnvironment } from '@switchyard/config';
import { findPostgresProgram, placePostgresData, temporaryFolder, type PostgresData, type PostgresProgram } from '@switchyard/db';
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

/** A real Postgres in `<data dir>/postgres`, or where `<data dir>/postgres.location` says, created with the first start. */
export async function startEmbeddedPostgres(dataDirectory: string, password: string, say: (text: string) => void): Promise<EmbeddedDatabase> {
  const { data, program } = await place(dataDirectory);
  tellPlaces(data, program, say);
  const { folder, movedFrom } = data;
  const order: PostgresOrder = { folder, moduleUrl: program.moduleUrl, password, ...(movedFrom !== undefined && { movedFrom }) };
  const supervisor = new ManagedProcess({
    name: 'Postgres',
    script: SUPERVISOR,
    scriptArguments: [],
    environment: { ...processEnvironment(), TMPDIR: temporaryFolder() },
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

async function place(dataDirectory: string): Promise<{ data: PostgresData; program: PostgresProgram }> {
  try {
    return { program: await findPostgresProgram(), data: await placePostgresData(dataDirectory) };
  } catch (error) {
    throw new SwitchyardError('precondition_failed', (error as Error).message);
  }
}

function tellPlaces({ folder, closedFolder }: PostgresData, { copy }: PostgresProgram, say: (text: string) => void): void {
  if (closedFolder !== undefined) say(`  The database does not run as root, and its own user may not enter ${closedFolder}: its data is kept in ${folder}`);
  else if (copy !== undefined) say(`  The database does not run as root, and its own user may not read this program: it runs from ${copy}`);
}
