import { mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { destination, type DestinationStream } from 'pino';

const LOG_BYTES_MAX = 20 * 1024 * 1024;
/** What a disk that refuses is offered again; lines beyond are lost. */
const WAITING_BYTES_MAX = 1024 * 1024;

/**
 * Appends to a file; one that has grown large by the time it is opened is set aside first, replacing the one before. Nobody who logs hears of a disk that is
 * full: what runs goes on without its lines.
 */
export function fileDestination(path: string): DestinationStream {
  mkdirSync(dirname(path), { recursive: true });
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size > LOG_BYTES_MAX) renameSync(path, `${path}.1`);
  return destination({ dest: path, append: true, mode: 0o600, sync: true, maxLength: WAITING_BYTES_MAX }).on('error', () => undefined);
}
