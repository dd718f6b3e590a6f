import { defineConfig, durationMs, field, integer, intervalMs, type ConfigOf } from '@switchyard/config';
import { z } from 'zod';

const heartbeatMs = durationMs()
  .refine((value) => value >= 10 && value <= 1_000, 'must be from 10ms to 1s')
  .describe('duration');

export const routerConfig = defineConfig({
  catalogFile: field({
    env: 'SWITCHYARD_CATALOG_FILE',
    schema: z.string().optional(),
    default: undefined,
    description: 'YAML file with own providers, models, endpoints and prices (docs/guides/catalog.md). Read again when it changes.',
  }),
  catalogReloadMs: field({
    env: 'SWITCHYARD_CATALOG_RELOAD_MS',
    schema: intervalMs(),
    default: 2_000,
    description: 'How often the catalogue file is looked at.',
  }),
  tableHeartbeatMs: field({
    env: 'SWITCHYARD_TABLE_HEARTBEAT_MS',
    schema: heartbeatMs,
    default: 500,
    description:
      'How often the routing table is sent on: what changed, or a sign of life. 10 ms to one second: who follows it takes three seconds of silence for death.',
  }),
  tableQueueSize: field({
    env: 'SWITCHYARD_TABLE_QUEUE_SIZE',
    schema: integer({ min: 4, max: 10_000 }),
    default: 120,
    description: 'Messages that may wait for a slow subscriber of the routing table before it has to start again.',
  }),
  credentialCheckMs: field({
    env: 'SWITCHYARD_CREDENTIAL_CHECK_MS',
    schema: intervalMs(),
    default: 3_000,
    description: 'How often the worker is asked which providers it has credentials for.',
  }),
});

export type RouterConfig = ConfigOf<typeof routerConfig>;
