import { defineConfig, field, integer, port } from '@switchyard/config';
import { z } from 'zod';

/** What the quick start reads beside the settings of the targets it runs. */
export const quickstartConfig = defineConfig({
  httpHost: field({ env: 'SWITCHYARD_HTTP_HOST', schema: z.string(), default: '127.0.0.1', description: 'Address the public HTTP server listens on.' }),
  httpPort: field({
    env: 'SWITCHYARD_HTTP_PORT',
    schema: port(),
    default: 8080,
    description: 'Port of the public API; several ingresses take the following ports.',
  }),
  ingressReplicas: field({
    env: 'SWITCHYARD_INGRESS_REPLICAS',
    schema: integer({ min: 1, max: 16 }),
    default: 1,
    description: 'Ingresses that `quickstart --split` starts.',
  }),
  billingReplicas: field({
    env: 'SWITCHYARD_BILLING_REPLICAS',
    schema: integer({ min: 1, max: 16 }),
    default: 1,
    description: 'Billing instances that `quickstart --split` starts; every caller is spread over all of them.',
  }),
});
