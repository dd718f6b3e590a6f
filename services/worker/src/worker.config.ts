import { byteSize, defineConfig, durationMs, field, integer, intervalMs, list, type ConfigOf, type Environment, type Field } from '@switchyard/config';
import { PROVIDER_MANIFESTS } from '@switchyard/providers';
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

const OPERATOR_CREDENTIAL_PREFIX = 'SWITCHYARD_CREDENTIAL_';

export const workerConfig = defineConfig({
  maxConcurrentAttempts: field({
    env: 'SWITCHYARD_WORKER_MAX_CONCURRENT_ATTEMPTS',
    schema: integer({ min: 1 }),
    default: 4_096,
    description: 'Attempts that may run at once in one worker; more go to other workers, and are refused with gateway_unavailable where none has room.',
  }),
  maxHeldBodyBytes: field({
    env: 'SWITCHYARD_WORKER_MAX_HELD_BODY_BYTES',
    schema: byteSize(),
    default: 512 * 1024 * 1024,
    description:
      'Most bytes that the request bodies in one worker may take together; more go to other workers, and get 503 with Retry-After where none has room. A stream keeps its body twice, so twice as much memory is taken.',
  }),
  maxAnswerBytes: field({
    env: 'SWITCHYARD_WORKER_MAX_ANSWER_BYTES',
    schema: byteSize(),
    default: 64 * 1024 * 1024,
    description: 'Largest whole (not streamed) answer of a provider, after decompression.',
  }),
  connectTimeoutMs: field({
    env: 'SWITCHYARD_WORKER_CONNECT_TIMEOUT',
    schema: durationMs(),
    default: 10_000,
    description: 'Hard limit of one connection attempt to a provider; the deadline of the routing plan is usually shorter.',
  }),
  keepAliveMs: field({
    env: 'SWITCHYARD_WORKER_KEEP_ALIVE',
    schema: intervalMs(),
    default: 30_000,
    description: 'How long an idle connection to a provider is kept, unless the provider says less.',
  }),
  credentialsFolder: field({
    env: 'SWITCHYARD_CREDENTIALS_DIR',
    schema: z.string().optional(),
    description:
      'Folder with one file per provider credential, named after the provider (`openai`) or its variable (`OPENAI_API_KEY`). Files win over variables and are read again when they change.',
  }),
  credentialsReloadMs: field({
    env: 'SWITCHYARD_CREDENTIALS_RELOAD_INTERVAL',
    schema: intervalMs(),
    default: 2_000,
    description: 'How often the folder of credentials is read again.',
  }),
  credentialHosts: field({
    env: 'SWITCHYARD_CREDENTIAL_HOSTS',
    schema: list().refine((entries) => entries.every(isProviderHost), 'must be entries such as openai=relay.example.com or openai=relay.example.com:8443'),
    default: [],
    description:
      'Further hosts that may be shown a provider’s credential, as `<provider>=<host[:port]>`, for example `openai=relay.example.com`. Without an entry a credential goes to its provider’s own host alone.',
  }),
  egressAllowCidrs: field({
    env: 'SWITCHYARD_EGRESS_ALLOW_CIDRS',
    schema: list().refine((networks) => networks.every((network) => ipaddr.isValidCIDR(network)), 'must be networks such as 10.1.0.0/16'),
    default: [],
    description: 'Networks that URLs named by customers (pictures) may reach although they are not public, for example `10.1.0.0/16`.',
  }),
  mediaMaxBytes: field({
    env: 'SWITCHYARD_MEDIA_MAX_BYTES',
    schema: byteSize(),
    default: 20 * 1024 * 1024,
    description: 'Largest picture, sound or file that is downloaded for a provider that takes no URLs.',
  }),
  mediaMaxHeldBytes: field({
    env: 'SWITCHYARD_MEDIA_MAX_HELD_BYTES',
    schema: byteSize(),
    default: 256 * 1024 * 1024,
    description:
      'Most bytes of such downloads that all requests in one worker may hold together; more get 503 with Retry-After. Those of one request may be half of it.',
  }),
  mediaTimeoutMs: field({
    env: 'SWITCHYARD_MEDIA_TIMEOUT',
    schema: durationMs(),
    default: 10_000,
    description: 'Longest time for such a download.',
  }),
  spoolMaxBytes: field({
    env: 'SWITCHYARD_WORKER_SPOOL_MAX_BYTES',
    schema: byteSize(),
    default: 1024 * 1024 * 1024,
    description: 'Bound of the spool of attempt events that are not yet published.',
  }),
  drainTimeoutMs: field({
    env: 'SWITCHYARD_WORKER_DRAIN_TIMEOUT',
    schema: durationMs(),
    default: 620_000,
    description: 'How long a stopping worker lets running attempts go on; longer than the total deadline of an attempt.',
  }),
  ...providerFields(),
  operatorCredential: field({
    env: `${OPERATOR_CREDENTIAL_PREFIX}<SLUG>`,
    schema: z.string().optional(),
    description:
      'Credential for a provider of your own catalogue: its slug in capitals, with `_` for `-`, as in `SWITCHYARD_CREDENTIAL_ACME_VLLM` for `acme-vllm`.',
    secret: true,
  }),
});

export type WorkerConfig = ConfigOf<typeof workerConfig>;

/**
 * What the credential store may see: the variables that manifests name, and `SWITCHYARD_CREDENTIAL_<SLUG>`, which serves providers that only the
 * operator's catalogue knows and therefore has no field of its own.
 */
export function providerEnvironment(config: WorkerConfig, environment: Environment): Environment {
  const values: Readonly<Record<string, unknown>> = config;
  const named = Object.keys(providerFields()).map((name) => [name, values[name]]);
  const operators = Object.entries(environment).filter(([name]) => name.startsWith(OPERATOR_CREDENTIAL_PREFIX) && name !== 'SWITCHYARD_CREDENTIAL_HOSTS');
  return Object.fromEntries([...named, ...operators]) as Environment;
}

/** `<provider>=<host[:port]>`, the host as it is compared with that of a base URL: without a scheme, a path, or the port that `https` has anyway. */
function isProviderHost(entry: string): boolean {
  const [, host = ''] = /^[^=]+=(.+)$/.exec(entry) ?? [];
  const url = `https://${host}`;
  return URL.canParse(url) && new URL(url).host === host.toLowerCase();
}

/** The providers' own variables: credentials, and parts of base URLs such as an account id, each under its own name. */
function providerFields(): Record<string, Field<string | undefined>> {
  const fields: Record<string, Field<string | undefined>> = {};
  for (const { name, baseUrl, credentialVariables } of PROVIDER_MANIFESTS) {
    for (const env of credentialVariables) fields[env] = field({ env, schema: z.string().optional(), description: `Credential for ${name}.`, secret: true });
    for (const [, env] of (baseUrl ?? '').matchAll(/\{(\w+)\}/g))
      fields[env!] = field({ env: env!, schema: z.string().optional(), description: `Part of the base URL of ${name}.` });
  }
  return fields;
}
