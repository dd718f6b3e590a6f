/**
 * Writes the reference pages that are read out of the code: node tools/generate-docs.mjs [--check]
 * Reads the built libraries, so it runs after a build.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catalogSchema } from './docs/catalog-schema.mjs';
import { configurationReference } from './docs/configuration-reference.mjs';
import { errorReference } from './docs/error-reference.mjs';
import { failureReference } from './docs/failure-reference.mjs';
import { metricsReference } from './docs/metrics-reference.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const pages = {
  'docs/reference/errors.md': await errorReference(),
  'docs/reference/failures.md': failureReference(),
  'docs/reference/metrics.md': metricsReference(),
  'docs/reference/configuration.md': await configurationReference(),
  'docs/reference/catalog.schema.json': catalogSchema(),
};

const isCheck = process.argv.includes('--check');
let stale = 0;
for (const [page, content] of Object.entries(pages)) {
  const path = join(root, page);
  if (existsSync(path) && readFileSync(path, 'utf8') === content) continue;
  if (isCheck) {
    stale += 1;
    console.error(`${page} is not what the code says: run \`npm run generate\`.`);
  } else {
    writeFileSync(path, content);
    console.log(`Wrote ${page}.`);
  }
}
process.exitCode = stale > 0 ? 1 : 0;
