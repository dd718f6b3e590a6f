import { defineConfig, durationMs, field, flag, integer, intervalMs, list, port, readableFile, type ConfigOf } from '@switchyard/config';
import { databaseUrlProblem } from '@switchyard/db';
import { isAddress } from '@switchyard/grpc';
import { LOG_LEVELS } from '@switchyard/telemetry';
import { z } from 'zod';

/** What every process of the platform reads, whichever targets it runs. */
export const platformConfig = defineConfig({
  databaseUrl: field({
    env: 'SWITCHYARD_DATABASE_URL',
    schema: databaseUrl().optional(),
    description:
      'Postgres of the targets router, billing and analytics, and of the event log when there is no Kafka. `sslmode` is `disable`, `require`, `verify-ca` or `verify-full`; `sslrootcert`, `sslcert` and `sslkey` name files.',
    secret: true,
  }),
  databasePasswordFile: field({
    env: 'SWITCHYARD_DATABASE_PASSWORD_FILE',
    schema: readableFile().optional(),
    description: 'File with the password of the database, read at each new connection, so that it may change. It wins over the password of the URL.',
  }),
  databaseCaFile: field({
    env: 'SWITCHYARD_DATABASE_CA_FILE',
    schema: readableFile().optional(),
    description: 'Authorities of the certificate of the database, PEM; as `sslrootcert`. With it and without `sslmode` the server is verified in full.',
  }),
  databasePoolSize: field({
    env: 'SWITCHYARD_DATABASE_POOL_SIZE',
    schema: integer({ min: 1, max: 1000 }),
    default: 10,
    description: 'Most database connections of one target in one process.',
  }),
  migrateOnStart: field({
    env: 'SWITCHYARD_MIGRATE_ON_START',
    schema: flag(),
    default: true,
    description:
      'Whether a starting process brings the schemas of its targets up to date. Replicas take turns. Without it a process is not ready until `migrate` has run; a newer schema is fine.',
  }),
  kafkaBrokers: field({
    env: 'KAFKA_BROKERS',
    schema: list().refine((brokers) => brokers.every(isBroker), 'must be host:port each, such as kafka:9092'),
    default: [],
    description: 'Kafka brokers, `host:port` each. Empty: the event log lives in Postgres.',
  }),
  kafkaTopicPrefix: field({
    env: 'SWITCHYARD_KAFKA_TOPIC_PREFIX',
    schema: z.string(),
    default: '',
    description: 'Put before the names of all topics and consumer groups, for brokers that several installations share.',
  }),
  kafkaPartitions: field({
    env: 'SWITCHYARD_KAFKA_PARTITIONS',
    schema: integer({ min: 1, max: 1000 }),
    default: 12,
    description: 'Partitions of the topics that Switchyard creates; existing topics stay as they are.',
  }),
  kafkaReplicationFactor: field({
    env: 'SWITCHYARD_KAFKA_REPLICATION_FACTOR',
    schema: integer({ min: 1, max: 10 }).optional(),
    description: 'Replicas of the topics that Switchyard creates; unset: what the brokers have as their default.',
  }),
  kafkaTls: field({ env: 'SWITCHYARD_KAFKA_TLS', schema: flag(), default: false, description: 'Whether connections to the brokers use TLS.' }),
  kafkaSaslMechanism: field({
    env: 'SWITCHYARD_KAFKA_SASL_MECHANISM',
    schema: z.enum(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']).optional(),
    description: 'How to log in to the brokers: `plain`, `scram-sha-256`, `scram-sha-512` or `oauthbearer`; unset: not at all.',
  }),
  kafkaUsername: field({ env: 'SWITCHYARD_KAFKA_USERNAME', schema: z.string(), default: '', description: 'User name for the brokers.' }),
  kafkaPassword: field({ env: 'SWITCHYARD_KAFKA_PASSWORD', schema: z.string(), default: '', description: 'Password for the brokers.', secret: true }),
  kafkaPasswordFile: field({
    env: 'SWITCHYARD_KAFKA_PASSWORD_FILE',
    schema: readableFile().optional(),
    description: 'File with the password for the brokers, read at each new connection, so that it may change. It wins over the variable.',
  }),
  kafkaTokenFile: field({
    env: 'SWITCHYARD_KAFKA_TOKEN_FILE',
    schema: readableFile().optional(),
    description: 'File with the token for `oauthbearer`, read at each new connection.',
  }),
  kafkaCaFile: field({
    env: 'SWITCHYARD_KAFKA_CA_FILE',
    schema: readableFile().optional(),
    description: 'Authorities of the certificates of the brokers, PEM; unset: those that the system trusts.',
  }),
  kafkaCertificateFile: field({
    env: 'SWITCHYARD_KAFKA_CERT_FILE',
    schema: readableFile().optional(),
    description: 'Certificate to show to the brokers, PEM, read at each new connection.',
  }),
  kafkaKeyFile: field({ env: 'SWITCHYARD_KAFKA_KEY_FILE', schema: readableFile().optional(), description: 'Its private key, PEM.' }),
  dataDirectory: field({
    env: 'SWITCHYARD_DATA_DIR',
    schema: z.string(),
    default: '.switchyard',
    description: 'Folder for spools and other local state. Processes of one service may share it: each takes over what dead ones left there.',
  }),
  bindHost: field({
    env: 'SWITCHYARD_BIND_HOST',
    schema: z.string(),
    default: '127.0.0.1',
    description: 'Address that the gRPC and health servers listen on; `0.0.0.0` inside a container.',
  }),
  grpcPort: field({
    env: 'SWITCHYARD_GRPC_PORT',
    schema: port().optional(),
    description: 'Port of the gRPC server, 0 for a free one. Unset: 9090, and none in a process that runs every target.',
  }),
  healthPort: field({
    env: 'SWITCHYARD_HEALTH_PORT',
    schema: port().optional(),
    description:
      'Port of a server for `/healthz`, `/readyz` and `/metrics`, 0 for a free one. Unset: 9091, and none beside an ingress, whose own server has them.',
  }),
  tlsCertificateFile: field({
    env: 'SWITCHYARD_TLS_CERT_FILE',
    schema: readableFile().optional(),
    description: 'Certificate that this process shows to the other services, as server and as client, PEM. With its key and an authority: mutual TLS.',
  }),
  tlsKeyFile: field({ env: 'SWITCHYARD_TLS_KEY_FILE', schema: readableFile().optional(), description: 'Its private key, PEM.' }),
  tlsCaFile: field({
    env: 'SWITCHYARD_TLS_CA_FILE',
    schema: readableFile().optional(),
    description: 'Authorities that sign the certificates of all services, PEM. Whoever shows none of theirs is not served.',
  }),
  tlsServerName: field({
    env: 'SWITCHYARD_TLS_SERVER_NAME',
    schema: z.string().optional(),
    description: 'DNS name that the certificates of all services carry; unset: the host of the address that was configured for the service.',
  }),
  tlsReloadMs: field({
    env: 'SWITCHYARD_TLS_RELOAD_MS',
    schema: intervalMs(),
    default: 10_000,
    description: 'How often the certificate, its key and the authorities are read again; new ones serve new connections.',
  }),
  routerAddress: field({
    env: 'SWITCHYARD_ROUTER_ADDRESS',
    schema: addresses(),
    default: [],
    description: 'The router, where it runs in another process: `host:port` each; a name may stand for many addresses, which are followed as they change.',
  }),
  workerAddress: field({
    env: 'SWITCHYARD_WORKER_ADDRESS',
    schema: addresses(),
    default: [],
    description: 'Workers, `host:port` each, where they run in other processes; a name may stand for many addresses.',
  }),
  billingAddress: field({
    env: 'SWITCHYARD_BILLING_ADDRESS',
    schema: addresses(),
    default: [],
    description: 'Billing, where it runs in another process: `host:port` each; a name may stand for many addresses, which are followed as they change.',
  }),
  analyticsAddress: field({
    env: 'SWITCHYARD_ANALYTICS_ADDRESS',
    schema: addresses(),
    default: [],
    description: 'Analytics, where it runs in another process: `host:port` each; a name may stand for many addresses, which are followed as they change.',
  }),
  startTimeoutMs: field({
    env: 'SWITCHYARD_START_TIMEOUT_MS',
    schema: durationMs(),
    default: 60_000,
    description: 'How long a command such as `migrate` waits for a database that is away. A service waits for as long as it takes, alive and not ready.',
  }),
  drainDelayMs: field({
    env: 'SWITCHYARD_DRAIN_DELAY_MS',
    schema: durationMs(),
    default: 5000,
    description: 'Time between turning not ready and draining, in which load balancers learn of it.',
  }),
  shutdownTimeoutMs: field({
    env: 'SWITCHYARD_SHUTDOWN_TIMEOUT_MS',
    schema: durationMs(),
    default: 660_000,
    description: 'Longest time from the signal to the end of the process; longer than the longest attempt.',
  }),
  logLevel: field({ env: 'SWITCHYARD_LOG_LEVEL', schema: z.enum(LOG_LEVELS), default: 'info', description: 'Least important level that is logged.' }),
  logFormat: field({
    env: 'SWITCHYARD_LOG_FORMAT',
    schema: z.enum(['json', 'pretty']),
    default: 'json',
    description: '`json` for machines, `pretty` for one line per message.',
  }),
  clockOffsetMs: field({
    env: 'SWITCHYARD_CLOCK_OFFSET_MS',
    schema: integer(),
    default: 0,
    description: 'Shifts this process’s wall clock, for tests of skewed clocks.',
  }),
});

export type PlatformConfig = ConfigOf<typeof platformConfig>;

/** The driver takes what is before the first colon for the host. */
function isBroker(text: string): boolean {
  return text.split(':').length === 2 && isAddress(text);
}

/** A scheme in front, or a port that is missing, would be looked up in vain for ever. */
function addresses(): z.ZodType<readonly string[]> {
  return list().refine((entries) => entries.every(isAddress), 'must be host:port each, such as billing:9090');
}

function databaseUrl(): z.ZodType<string> {
  return z
    .string()
    .superRefine((url, context) => {
      const problem = databaseUrlProblem(url);
      if (problem !== undefined) context.addIssue(problem);
    })
    .describe('text');
}
