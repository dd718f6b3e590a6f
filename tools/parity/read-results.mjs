import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What the suites of the last `npm test` reported. */
export function readResults(root) {
  const directory = join(root, 'test-results');
  if (!existsSync(directory)) return [];
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  return files.flatMap((file) => JSON.parse(readFileSync(join(directory, file), 'utf8')).tests ?? []);
}
