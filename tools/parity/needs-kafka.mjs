/** Tests that cannot run without Kafka: `*.kafka.spec.ts`, and suites that no other spec of their folder runs. */
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @param {string} root of the repository
 * @param {string} file of a test, from the root
 */
export function needsKafka(root, file) {
  if (file.endsWith('.kafka.spec.ts')) return true;
  if (!/\.(suite|contract)\.ts$/.test(file)) return false;
  const specs = readdirSync(join(root, dirname(file))).filter((name) => name.endsWith('.spec.ts'));
  return specs.length > 0 && specs.every((name) => name.endsWith('.kafka.spec.ts'));
}
