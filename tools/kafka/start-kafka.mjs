// Runs one Apache Kafka node (KRaft, no ZooKeeper) on loopback, for the split quick start and for tests: in a container where Docker answers, else with a
// JDK and Kafka's own jars, which Maven fetches once. As a program: `node tools/kafka/start-kafka.mjs --data-dir <folder> [--port <n>] [--advertised-port <n>]
// [--with-parent]` prints one line of JSON, {"brokers": [...], "pid", "container"?}, when clients can work, and stops on SIGTERM or SIGINT, or (--with-parent)
// when its input closes.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import kafkajs from 'kafkajs';

const KAFKA_VERSION = '4.1.1';
const IMAGE = `apache/kafka:${KAFKA_VERSION}`;
const POM = fileURLToPath(new URL('pom.xml', import.meta.url));
const DEFAULT_CACHE = fileURLToPath(new URL(`../../node_modules/.cache/switchyard/kafka-${KAFKA_VERSION}`, import.meta.url));
const FETCH_TIMEOUT_MS = 300_000;
const READY_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 15_000;
const PROTOCOLS = 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL';
/** A volume that begins as the folder of the image, which the user in the container owns. */
const CONTAINER_DATA = '/var/lib/kafka/data';
const LOG_FOLDER = 'log';
const CLASS_PATH_SUFFIX = join('', '*');
/** For a Java that lives briefly or does little. */
const QUICK_START = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

export class KafkaUnavailable extends Error {
  name = 'KafkaUnavailable';
}

/** How Kafka can run here: 'docker', 'java', or undefined. */
export function findKafkaRuntime() {
  if (succeeds('docker', ['info'])) return 'docker';
  return succeeds('java', ['-version']) && (existsSync(DEFAULT_CACHE) || succeeds('mvn', ['--version'])) ? 'java' : undefined;
}

/**
 * Starts a node whose data lies in `dataFolder` (kept: a second start finds its topics again). Ports that are not given are chosen.
 * Clients are told to come to `advertisedPort`, where it is given: a proxy's. `progress` hears about steps that take long.
 * `signal` ends it while it starts, and what it has started.
 * `secure` adds a listener with TLS that demands client certificates and a password: {port, certificate, key, ca, username, password}, PEM texts.
 * Answers {brokers, port, controllerPort, pid, container?, exited, stop(), kill()}.
 */
export async function startKafka({ dataFolder, port, advertisedPort, controllerPort, secure, cacheFolder = DEFAULT_CACHE, progress = () => {}, signal }) {
  const runtime = findKafkaRuntime();
  if (runtime === undefined) throw new KafkaUnavailable('Kafka needs Docker, or a JDK (17 or newer) with Maven; or name a broker in KAFKA_BROKERS.');
  // Events tell who asked for what.
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  const node = { dataFolder, cacheFolder, port: port ?? (await freePort()), advertisedPort, controllerPort: controllerPort ?? (await freePort()), secure };
  if (runtime === 'java') await fetchJars(cacheFolder, progress, signal);
  signal?.throwIfAborted();
  hideNegativeTimeouts();
  progress('Starting Kafka');
  const child = runtime === 'docker' ? spawnContainer(node) : spawnJava(node);
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  const broker = `127.0.0.1:${node.port}`;
  const container = runtime === 'docker' ? containerName(node) : undefined;
  const end = (endSignal) => endChild(child, exited, container, endSignal);
  try {
    await untilReady(broker, child, signal);
  } catch (error) {
    await end(signal?.aborted ? 'SIGTERM' : 'SIGKILL');
    throw new KafkaUnavailable(`Kafka did not become ready: ${error.message}\n${tailOfLog(dataFolder)}`);
  }
  return {
    brokers: [broker],
    port: node.port,
    controllerPort: node.controllerPort,
    pid: child.pid,
    container,
    exited,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

async function fetchJars(cacheFolder, progress, signal) {
  if (existsSync(cacheFolder)) return;
  progress(`Fetching Kafka ${KAFKA_VERSION} with Maven (54 MB, once)`);
  const partial = `${cacheFolder}.partial-${process.pid}`;
  const child = spawn('mvn', ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${partial}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output = `${output}${chunk}`.slice(-4000)));
  const timer = setTimeout(() => child.kill('SIGKILL'), FETCH_TIMEOUT_MS);
  const stop = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', stop);
  const code = await new Promise((resolve) => {
    child.once('error', () => resolve(-1));
    child.once('exit', resolve);
  });
  signal?.removeEventListener('abort', stop);
  clearTimeout(timer);
  if (code !== 0) {
    rmSync(partial, { recursive: true, force: true });
    throw new KafkaUnavailable(`Maven could not fetch Kafka (code ${code}).\n${output}`);
  }
  try {
    renameSync(partial, cacheFolder);
  } catch (error) {
    // Somebody else was faster.
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(cacheFolder)) throw error;
  }
}

function spawnJava(node) {
  const propertiesFile = resolve(node.dataFolder, 'server.properties');
  const classPath = `${node.cacheFolder}/${CLASS_PATH_SUFFIX}`;
  writeFileSync(
    propertiesFile,
    Object.entries(serverProperties(node))
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  // Java takes names of files for UTF-8 only where the locale says so.
  const place = { cwd: node.dataFolder, env: { ...process.env, LC_ALL: 'C.UTF-8' } };
  if (!existsSync(join(node.dataFolder, LOG_FOLDER, 'meta.properties'))) {
    run('java', [...QUICK_START, '-cp', classPath, 'kafka.tools.StorageTool', 'format', '-t', newClusterId(), '-c', propertiesFile], place);
  }
  const output = openSync(join(node.dataFolder, 'kafka.log'), 'a');
  // A group of its own: Ctrl-C in the terminal reaches only us, and we stop Kafka after those who need it.
  const child = spawn('java', ['-Xms128m', '-Xmx512m', ...QUICK_START, '-cp', classPath, 'kafka.Kafka', propertiesFile], {
    ...place,
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return child;
}

/** What Kafka's own tool makes, without a second of Java: 16 random bytes, whose text must not begin as an option does. */
function newClusterId() {
  const bytes = randomBytes(16);
  bytes[0] &= 0x7f;
  return bytes.toString('base64url');
}

function serverProperties({ port, advertisedPort = port, controllerPort, secure }) {
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}${secure ? `,SECURE://127.0.0.1:${secure.port}` : ''}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${advertisedPort}${secure ? `,SECURE://127.0.0.1:${secure.port}` : ''}`,
    'listener.security.protocol.map': PROTOCOLS,
    'controller.listener.names': 'CONTROLLER',
    ...secureSettings(secure),
    // As seen from the data folder: a whole path may have commas, or letters that properties files do not know.
    'log.dirs': LOG_FOLDER,
    'auto.create.topics.enable': false,
    ...singleNodeSettings(),
  };
}

function singleNodeSettings() {
  return {
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 10,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    // A node that was killed is its own predecessor's rival until this has passed.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
  };
}

/** Values of a properties file: line ends are written out. */
function secureSettings(secure) {
  if (!secure) return {};
  const lines = (text) => text.trim().replaceAll('\n', '\\n');
  return {
    'listener.name.secure.ssl.keystore.type': 'PEM',
    'listener.name.secure.ssl.keystore.certificate.chain': lines(secure.certificate),
    'listener.name.secure.ssl.keystore.key': lines(secure.key),
    'listener.name.secure.ssl.truststore.type': 'PEM',
    'listener.name.secure.ssl.truststore.certificates': lines(secure.ca),
    'listener.name.secure.ssl.client.auth': 'required',
    'listener.name.secure.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.secure.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required user_${secure.username}="${secure.password}";`,
  };
}

function containerName({ port }) {
  return `switchyard-kafka-${port}`;
}

function spawnContainer(node) {
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': '1@127.0.0.1:19093',
    listeners: `PLAINTEXT://:${node.port},CONTROLLER://:19093${node.secure ? `,SECURE://:${node.secure.port}` : ''}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${node.advertisedPort ?? node.port}${node.secure ? `,SECURE://127.0.0.1:${node.secure.port}` : ''}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': PROTOCOLS,
    'log.dirs': CONTAINER_DATA,
    ...secureSettings(node.secure),
    'auto.create.topics.enable': false,
    ...singleNodeSettings(),
  };
  const environment = Object.entries(settings).flatMap(([name, value]) => ['-e', `KAFKA_${name.toUpperCase().replaceAll('.', '_')}=${value}`]);
  const volume = ['-v', `${volumeOf(node.dataFolder)}:${CONTAINER_DATA}`];
  const ports = [node.port, ...(node.secure ? [node.secure.port] : [])].flatMap((port) => ['-p', `127.0.0.1:${port}:${port}`]);
  const output = openSync(join(node.dataFolder, 'kafka.log'), 'a');
  const child = spawn('docker', ['run', '--rm', '--name', containerName(node), ...ports, ...volume, ...environment, IMAGE], {
    detached: true,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return child;
}

/** Named in the data folder: the next start has the same one on whatever port, and a new folder a new one. */
function volumeOf(dataFolder) {
  const file = join(dataFolder, 'volume');
  if (!existsSync(file)) writeFileSync(file, `switchyard-kafka-${randomBytes(8).toString('hex')}\n`);
  return readFileSync(file, 'utf8').trim();
}

/** The port opens before the group coordinator has loaded, so a listening port is not enough: ask what clients will ask. */
async function untilReady(broker, child, signal) {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  const client = new kafkajs.Kafka({
    clientId: 'switchyard-start',
    brokers: [broker],
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: 2_000,
    retry: { retries: 0 },
  });
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended with code ${child.exitCode ?? child.signalCode}.`);
    signal?.throwIfAborted();
    const admin = client.admin();
    try {
      await admin.connect();
      // Metadata first: kafkajs knows no coordinator without it.
      await admin.listTopics();
      await admin.fetchOffsets({ groupId: 'switchyard-ready' });
      await producerWorks(client);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
    await delay(200, undefined, { signal });
  }
}

async function producerWorks(client) {
  const producer = client.producer({
    idempotent: true,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    retry: { initialRetryTime: 100, retries: 3 },
  });
  try {
    await producer.connect();
  } finally {
    await producer.disconnect().catch(() => undefined);
  }
}

async function endChild(child, exited, container, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  if (container !== undefined && signal === 'SIGKILL') spawnSync('docker', ['kill', container], { stdio: 'ignore' });
  child.kill(signal);
  const timer = setTimeout(() => {
    if (container !== undefined) spawnSync('docker', ['rm', '-f', container], { stdio: 'ignore' });
    child.kill('SIGKILL');
  }, STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function succeeds(command, commandArguments) {
  return spawnSync(command, commandArguments, { stdio: 'ignore', timeout: 20_000 }).status === 0;
}

function run(command, commandArguments, place) {
  const result = spawnSync(command, commandArguments, { ...place, encoding: 'utf8', timeout: 60_000 });
  if (result.status !== 0) throw new KafkaUnavailable(`${command} failed: ${result.error?.message ?? result.stderr}`);
  return result.stdout;
}

function tailOfLog(dataFolder) {
  try {
    return readFileSync(join(dataFolder, 'kafka.log'), 'utf8').slice(-2000);
  } catch {
    return '';
  }
}

let isHiding = false;

/** kafkajs computes a negative delay for its request queue, which Node 24 complains about: harmless, and only this one is hidden. */
function hideNegativeTimeouts() {
  if (isHiding) return;
  isHiding = true;
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = (warning, ...rest) => {
    if (rest[0] !== 'TimeoutNegativeWarning') emitWarning(warning, ...rest);
  };
}

async function main() {
  const { values } = parseArgs({
    options: { 'data-dir': { type: 'string' }, port: { type: 'string' }, 'advertised-port': { type: 'string' }, 'with-parent': { type: 'boolean' } },
  });
  const portOf = (text) => (text === undefined ? undefined : Number(text));
  if (values['data-dir'] === undefined) throw new Error('--data-dir <folder> is needed.');
  const cancel = new AbortController();
  const asked = new Promise((resolve) => {
    cancel.signal.addEventListener('abort', () => resolve());
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => cancel.abort());
    if (values['with-parent']) process.stdin.resume().once('close', () => cancel.abort());
  });
  const starting = startKafka({
    dataFolder: values['data-dir'],
    port: portOf(values.port),
    advertisedPort: portOf(values['advertised-port']),
    progress: (step) => console.error(step),
    signal: cancel.signal,
  });
  const kafka = await starting.catch((error) => {
    if (!cancel.signal.aborted) throw error;
  });
  if (kafka === undefined) return;
  console.log(JSON.stringify({ brokers: kafka.brokers, pid: kafka.pid, container: kafka.container }));
  const ended = await Promise.race([asked, kafka.exited]);
  if (ended !== undefined) throw new Error(`Kafka ended by itself with ${ended.code ?? ended.signal}.`);
  await kafka.stop();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main();
    process.exit(0);
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
