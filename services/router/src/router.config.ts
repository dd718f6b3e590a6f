import { defineConfig, durationMs, field, integer, type ConfigOf } from '@switchyard/config';
import { z } from 'zod';

export const routerConfig = defineConfig({
  catalogFile: field({
    env: 'SWITCHYARD_CATALOG_FILE',
    schema: z.string().optional(),
    default: undefined,
    description: 'YAML file with own providers, models, endpoints and prices (docs/guides/catalog.md). Read again when it changes.',
  }),
  catalogReloadMs: field({
    env: 'SWITCHYARD_CATALOG_RELOAD_MS',
    schema: durationMs(),
    default: 2_000,
    description: 'How often the catalogue file is looked at.',
  }),
  tableHeartbeatMs: field({
    env: 'SWITCHYARD_TABLE_HEARTBEAT_MS',
    schema: durationMs(),
    default: 500,
    description: 'How often the routing table is sent on: what changed, or a sign of life. At most one second.',
  }),
  tableQueueSize: field({
    env: 'SWITCHYARD_TABLE_QUEUE_SIZE',
    schema: integer({ min: 4, max: 10_000 }),
    default: 120,
    description: 'Messages that may wait for a slow subscriber of the routing table before it has to start again.',
  }),
  credentialCheckMs: field({
    env: 'SWITCHYARD_CREDENTIAL_CHECK_MS',
    schema: durationMs(),
    default: 3_000,
    description: 'How often the worker is asked which providers it has credentials for.',
  }),
});

export type RouterConfig = ConfigOf<typeof routerConfig>;
