import { randomBytes } from 'node:crypto';
import { DAY_MS } from '@switchyard/core';
import { TestAuthority } from '@switchyard/testing';
import type { Address, Databases } from './databases.js';
import { Kubernetes } from './kubernetes.js';
import type { ClusterSettings } from './settings.js';
import { CONTAINER_SECURITY, POD_SECURITY } from './world.js';

const POSTGRES = 'postgres';
const KAFKA = 'kafka';
/** The user of the release, in both. */
const USER = 'switchyard';
const SUPERUSER = 'postgres';
/** Keys `password` and `ca.crt`, in the release's namespace. */
const LOGIN_SECRETS = { postgres: 'postgres-login', kafka: 'kafka-login' };
const START_TIMEOUT_SECONDS = 180;

/**
 * Postgres and Kafka as a platform has them, in a namespace of their own: over TLS alone, with certificates of an own authority, and with a password
 * (SCRAM). The release's user owns its database and is no superuser. Certificates and passwords are made anew by every run and stand in secrets alone.
 */
export class ExternalDatabases implements Databases {
  readonly kind = 'external';
  readonly superuser = SUPERUSER;
  readonly kubernetes: Kubernetes;
  readonly addresses: { readonly postgres: Address; readonly kafka: Address };
  private readonly release: Kubernetes;

  constructor(private readonly settings: ClusterSettings) {
    const namespace = databasesNamespace(settings);
    this.release = new Kubernetes(settings, settings.namespace);
    this.kubernetes = new Kubernetes(settings, namespace);
    this.addresses = { postgres: { host: `${POSTGRES}.${namespace}.svc`, port: 5432 }, kafka: { host: `${KAFKA}.${namespace}.svc`, port: 9093 } };
  }

  get values(): Record<string, unknown> {
    const { postgres, kafka } = this.addresses;
    const peer = (component: string) => ({
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': this.kubernetes.namespace } },
      podSelector: { matchLabels: labelsOf(component) },
    });
    return {
      postgres: {
        external: { ...postgres, user: USER, sslMode: 'verify-full', existingSecret: LOGIN_SECRETS.postgres, ca: { existingSecret: LOGIN_SECRETS.postgres } },
      },
      kafka: {
        external: {
          brokers: [`${kafka.host}:${kafka.port}`],
          tls: { enabled: true, ca: { existingSecret: LOGIN_SECRETS.kafka } },
          sasl: { mechanism: 'scram-sha-512', username: USER, existingSecret: LOGIN_SECRETS.kafka },
        },
      },
      networkPolicy: { postgres: { to: [peer(POSTGRES)] }, kafka: { to: [peer(KAFKA)] } },
    };
  }

  async start(): Promise<void> {
    const passwords = { postgres: newPassword(), kafka: newPassword() };
    const authority = new TestAuthority('Databases of the cluster suite', new Date(Date.now() + DAY_MS));
    const certificateOf = ({ host }: Address) => authority.issue({ names: [host], expiresAt: new Date(Date.now() + DAY_MS) });
    const [postgres, kafka] = [certificateOf(this.addresses.postgres), certificateOf(this.addresses.kafka)];
    await this.kubernetes.apply(
      secret(POSTGRES, {
        'tls.crt': postgres.certificate,
        'tls.key': postgres.key,
        password: newPassword(),
        'pg_hba.conf': 'local all all trust\nhostssl all all all scram-sha-256\n',
        'initialize.sql': `CREATE ROLE ${USER} LOGIN PASSWORD '${passwords.postgres}';\nCREATE DATABASE ${USER} OWNER ${USER};\n`,
      }),
      secret(KAFKA, { 'server.pem': kafka.key + kafka.certificate }),
      service(POSTGRES, this.addresses.postgres.port),
      service(KAFKA, this.addresses.kafka.port),
      statefulSet(POSTGRES, 999, { ...postgresContainer(this.settings), imagePullPolicy: this.settings.pullPolicy }),
      statefulSet(KAFKA, 1000, { ...kafkaContainer(this.settings, this.addresses.kafka), imagePullPolicy: this.settings.pullPolicy }),
    );
    for (const component of [POSTGRES, KAFKA]) await this.kubernetes.rolledOut(component, START_TIMEOUT_SECONDS * 1000);
    await this.makeKafkaUser(passwords.kafka);
    await this.release.apply(
      secret(LOGIN_SECRETS.postgres, { password: passwords.postgres, 'ca.crt': authority.certificate }),
      secret(LOGIN_SECRETS.kafka, { password: passwords.kafka, 'ca.crt': authority.certificate }),
    );
  }

  private async makeKafkaUser(password: string): Promise<void> {
    const change = ['--alter', '--add-config', `SCRAM-SHA-512=[password=${password}]`, '--entity-type', 'users', '--entity-name', USER];
    await this.kubernetes.exec(`${KAFKA}-0`, ['/opt/kafka/bin/kafka-configs.sh', '--bootstrap-server', 'localhost:9092', ...change]);
  }
}

export const databasesNamespace = ({ namespace }: ClusterSettings): string => `${namespace}-databases`;

const labelsOf = (component: string) => ({ 'app.kubernetes.io/component': component });
const newPassword = (): string => randomBytes(24).toString('hex');

function postgresContainer({ images }: ClusterSettings): object {
  const parameters = { ssl: 'on', ssl_cert_file: '/etc/postgres/tls.crt', ssl_key_file: '/etc/postgres/tls.key', hba_file: '/etc/postgres/pg_hba.conf' };
  return {
    name: POSTGRES,
    image: images.postgres,
    args: Object.entries({ ...parameters, max_connections: 200 }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    env: environment({ POSTGRES_USER: SUPERUSER, POSTGRES_PASSWORD_FILE: '/etc/postgres/password', PGDATA: '/var/lib/postgresql/18/docker' }),
    ports: [{ containerPort: 5432 }],
    readinessProbe: { exec: { command: ['pg_isready', '--host=127.0.0.1', `--username=${USER}`, `--dbname=${USER}`] }, periodSeconds: 2, timeoutSeconds: 10 },
    resources: { requests: { cpu: '20m', memory: '256Mi' } },
    volumeMounts: [
      { name: 'data', mountPath: '/var/lib/postgresql' },
      { name: 'settings', mountPath: '/etc/postgres', readOnly: true },
      { name: 'settings', mountPath: '/docker-entrypoint-initdb.d/initialize.sql', subPath: 'initialize.sql', readOnly: true },
      { name: 'scratch', mountPath: '/var/run/postgresql', subPath: 'run' },
      { name: 'scratch', mountPath: '/tmp', subPath: 'temporary' },
    ],
  };
}

/** The official image takes its settings from KAFKA_…: a dot is written as one underscore, a dash as three. Without TLS it is only reached from inside its pod. */
function kafkaContainer({ images }: ClusterSettings, { host, port }: Address): object {
  return {
    name: KAFKA,
    image: images.kafka,
    env: environment({
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9094',
      KAFKA_LISTENERS: `SECURE://:${port},LOCAL://localhost:9092,CONTROLLER://localhost:9094`,
      KAFKA_ADVERTISED_LISTENERS: `SECURE://${host}:${port},LOCAL://localhost:9092`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'SECURE:SASL_SSL,LOCAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'LOCAL',
      KAFKA_LISTENER_NAME_SECURE_SSL_KEYSTORE_TYPE: 'PEM',
      KAFKA_LISTENER_NAME_SECURE_SSL_KEYSTORE_LOCATION: '/etc/kafka/secrets/server.pem',
      KAFKA_LISTENER_NAME_SECURE_SASL_ENABLED_MECHANISMS: 'SCRAM-SHA-512',
      KAFKA_LISTENER_NAME_SECURE_SCRAM___SHA___512_SASL_JAAS_CONFIG: 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      KAFKA_LOG_DIRS: '/var/lib/kafka/data/log',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_HEAP_OPTS: '-Xms256m -Xmx512m',
    }),
    ports: [{ containerPort: port }],
    readinessProbe: { tcpSocket: { port }, periodSeconds: 2, timeoutSeconds: 5 },
    resources: { requests: { cpu: '20m', memory: '512Mi' } },
    volumeMounts: [
      { name: 'data', mountPath: '/var/lib/kafka/data' },
      { name: 'settings', mountPath: '/etc/kafka/secrets', readOnly: true },
      { name: 'scratch', mountPath: '/opt/kafka/config', subPath: 'configuration' },
      { name: 'scratch', mountPath: '/opt/kafka/logs', subPath: 'logs' },
      { name: 'scratch', mountPath: '/tmp', subPath: 'temporary' },
    ],
  };
}

const environment = (variables: Readonly<Record<string, string>>) => Object.entries(variables).map(([name, value]) => ({ name, value }));

function secret(name: string, stringData: Readonly<Record<string, string>>): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData };
}

function service(component: string, port: number): object {
  const metadata = { name: component, labels: labelsOf(component) };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: labelsOf(component), ports: [{ port, targetPort: port }] } };
}

/** One pod with a claim, the secret of its name, and a folder for what it need not keep. */
function statefulSet(component: string, userId: number, container: object): object {
  const labels = labelsOf(component);
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: component, labels },
    spec: {
      replicas: 1,
      serviceName: component,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: { ...POD_SECURITY, runAsUser: userId, runAsGroup: userId, fsGroup: userId },
          containers: [{ ...container, securityContext: CONTAINER_SECURITY }],
          volumes: [
            // Postgres refuses a key that others may read.
            { name: 'settings', secret: { secretName: component, defaultMode: 0o440 } },
            { name: 'scratch', emptyDir: { sizeLimit: '512Mi' } },
          ],
        },
      },
      volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }],
    },
  };
}
