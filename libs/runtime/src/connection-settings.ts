import { ConfigError, RenewedFile, type ConfigProblem } from '@switchyard/config';
import type { DatabaseConnection } from '@switchyard/db';
import type { KafkaEventLogOptions } from '@switchyard/events';
import { splitAddress, TlsFileError, TlsIdentity } from '@switchyard/grpc';
import type { Logger } from '@switchyard/telemetry';
import { isIP } from 'node:net';
import type { PlatformConfig } from './platform.config.js';
import type { Target } from './target.js';

/** What a connection would be half secured by: files that go together, and settings that contradict each other. */
export function connectionProblems(config: PlatformConfig): ConfigProblem[] {
  return [...tlsProblems(config), ...kafkaProblems(config)];
}

/** Undefined where services talk in plain text. @throws ConfigError when a file cannot be used */
export function openTls(config: PlatformConfig, logger: Logger): TlsIdentity | undefined {
  const { tlsCertificateFile: certificateFile, tlsKeyFile: keyFile, tlsCaFile: caFile, tlsServerName: serverName, tlsReloadMs: reloadMs } = config;
  if (certificateFile === undefined || keyFile === undefined || caFile === undefined) return undefined;
  try {
    return new TlsIdentity({ certificateFile, keyFile, caFile, serverName, reloadMs, logger: logger.child({ component: 'tls' }) });
  } catch (error) {
    if (error instanceof TlsFileError)
      throw new ConfigError([{ env: 'SWITCHYARD_TLS_CERT_FILE', message: `with its key and authorities cannot be used: ${error.message}` }]);
    throw error;
  }
}

/** One problem when these targets need a database and none is configured. */
export function missingDatabase(targets: readonly Target[], config: PlatformConfig): ConfigProblem[] {
  if (config.databaseUrl !== undefined) return [];
  const keeper = targets.find(({ schema }) => schema !== undefined);
  if (keeper) return [databaseProblem(`the target ${keeper.name} keeps its data there`)];
  const isLogThere = config.kafkaBrokers.length === 0 && targets.some(({ requiresEventLog }) => requiresEventLog === true);
  return isLogThere ? [databaseProblem('without KAFKA_BROKERS the event log lives there')] : [];
}

/** @throws ConfigError when no database is configured */
export function databaseConnection(config: PlatformConfig, reason: string): DatabaseConnection {
  const { databaseUrl: url, databaseCaFile: caFile, databasePasswordFile: passwordFile } = config;
  if (url === undefined) throw new ConfigError([databaseProblem(reason)]);
  return { url, caFile, passwordFile };
}

function databaseProblem(reason: string): ConfigProblem {
  return { env: 'SWITCHYARD_DATABASE_URL', message: `is required: ${reason}` };
}

export function kafkaOptions(config: PlatformConfig, instanceId: string, logger: Logger): KafkaEventLogOptions {
  const sasl = saslOptions(config);
  return {
    brokers: config.kafkaBrokers,
    clientId: `switchyard-${instanceId}`,
    logger,
    topicPrefix: config.kafkaTopicPrefix,
    partitionCount: config.kafkaPartitions,
    ssl: config.kafkaTls ? kafkaTls(config) : false,
    ...(config.kafkaReplicationFactor === undefined ? {} : { replicationFactor: config.kafkaReplicationFactor }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

function tlsProblems(config: PlatformConfig): ConfigProblem[] {
  const files = { SWITCHYARD_TLS_CERT_FILE: config.tlsCertificateFile, SWITCHYARD_TLS_KEY_FILE: config.tlsKeyFile, SWITCHYARD_TLS_CA_FILE: config.tlsCaFile };
  const missing = Object.entries(files).filter(([, file]) => file === undefined);
  if (missing.length === Object.keys(files).length) return [];
  const [first] = missing;
  if (first !== undefined) {
    const names = Object.keys(files).join(', ');
    return [{ env: first[0], message: `is required: TLS between services needs all of ${names}, or none of them` }];
  }
  return config.tlsServerName === undefined && hasBareAddress(config)
    ? [{ env: 'SWITCHYARD_TLS_SERVER_NAME', message: 'is required with TLS where services are configured by IP address: it says which name to verify' }]
    : [];
}

function hasBareAddress({ routerAddress, workerAddress, billingAddress, analyticsAddress }: PlatformConfig): boolean {
  return [routerAddress, workerAddress, billingAddress, analyticsAddress].flat().some((address) => isIP(splitAddress(address).host) !== 0);
}

function kafkaProblems(config: PlatformConfig): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const certificate = { SWITCHYARD_KAFKA_CERT_FILE: config.kafkaCertificateFile, SWITCHYARD_KAFKA_KEY_FILE: config.kafkaKeyFile };
  const given = Object.entries({ ...certificate, SWITCHYARD_KAFKA_CA_FILE: config.kafkaCaFile }).find(([, file]) => file !== undefined);
  if (given !== undefined && !config.kafkaTls) problems.push({ env: 'SWITCHYARD_KAFKA_TLS', message: `must be true: ${given[0]} is of no use in plain text` });
  const missing = Object.entries(certificate).filter(([, file]) => file === undefined);
  if (missing.length === 1) problems.push({ env: missing[0]![0], message: 'is required: a certificate for the brokers and its key go together' });
  const { kafkaSaslMechanism: mechanism } = config;
  if (mechanism === 'oauthbearer' && config.kafkaTokenFile === undefined) {
    problems.push({ env: 'SWITCHYARD_KAFKA_TOKEN_FILE', message: 'is required: oauthbearer logs in with a token' });
  }
  const needsPassword = mechanism !== undefined && mechanism !== 'oauthbearer';
  if (needsPassword && config.kafkaUsername === '')
    problems.push({ env: 'SWITCHYARD_KAFKA_USERNAME', message: `is required: ${mechanism} logs in with a name` });
  if (needsPassword && config.kafkaPassword === '' && config.kafkaPasswordFile === undefined) {
    problems.push({ env: 'SWITCHYARD_KAFKA_PASSWORD_FILE', message: `is required, or SWITCHYARD_KAFKA_PASSWORD: ${mechanism} logs in with a password` });
  }
  return problems;
}

/** The driver asks for each field whenever it connects. */
function kafkaTls({ kafkaCaFile, kafkaCertificateFile, kafkaKeyFile }: PlatformConfig): Exclude<KafkaEventLogOptions['ssl'], boolean | undefined> {
  const options = {};
  for (const [name, path] of Object.entries({ ca: kafkaCaFile, cert: kafkaCertificateFile, key: kafkaKeyFile })) {
    if (path !== undefined) readEachTime(options, name, new RenewedFile(path));
  }
  return options;
}

function saslOptions(config: PlatformConfig): KafkaEventLogOptions['sasl'] {
  const { kafkaSaslMechanism: mechanism, kafkaUsername: username, kafkaPassword: password, kafkaPasswordFile, kafkaTokenFile } = config;
  if (mechanism === undefined) return undefined;
  if (mechanism === 'oauthbearer') {
    const token = new RenewedFile(kafkaTokenFile!);
    return { mechanism, oauthBearerProvider: async () => ({ value: await token.secret() }) };
  }
  const options = { mechanism, username, password };
  if (kafkaPasswordFile !== undefined) readEachTime(options, 'password', new RenewedFile(kafkaPasswordFile));
  return options as KafkaEventLogOptions['sasl'];
}

function readEachTime(options: object, name: string, file: RenewedFile): void {
  Object.defineProperty(options, name, { get: () => file.content()?.trim(), enumerable: true, configurable: true });
}
