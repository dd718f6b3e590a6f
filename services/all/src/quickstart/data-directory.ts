import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processEnvironment } from '@switchyard/config';

/** Root of the repository, or of the image that the program is in. */
export const PROGRAM_ROOT = resolve(fileURLToPath(new URL('../../../..', import.meta.url)));

/** `SWITCHYARD_DATA_DIR`, else `.switchyard` beside the program, wherever it was started from. */
export function quickstartDataDirectory(): string {
  const configured = processEnvironment()['SWITCHYARD_DATA_DIR']?.trim();
  return configured === undefined || configured === '' ? join(PROGRAM_ROOT, '.switchyard') : resolve(configured);
}
