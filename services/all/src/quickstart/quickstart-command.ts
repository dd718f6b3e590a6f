import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { checkConfig, ConfigError, loadConfig, processEnvironment, type Environment } from '@switchyard/config';
import { AccountPort, CatalogPort, KeyPort } from '@switchyard/proto';
import { runUntilSignal } from '@switchyard/runtime';
import { parseFlags } from '../commands/parse-flags.js';
import { configSections, unreadVariables } from '../config-sections.js';
import { announcement } from './announce.js';
import { removeContractFile, writeContractFile, type ContractFile } from './contract-file.js';
import { quickstartDataDirectory } from './data-directory.js';
import { DEMO_ACCOUNT_ID, ensureDemoAccount } from './demo-account.js';
import { findDemoModel } from './demo-model.js';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { freePortRun, requirePorts } from './free-port.js';
import { startKafkaNode } from './kafka-node.js';
import { startInOneProcess } from './one-process.js';
import { Progress } from './progress.js';
import { quickstartConfig } from './quickstart.config.js';
import { SecretsFile } from './secrets-file.js';
import { startSimulatedProviders, wantsSimulators } from './simulated-providers.js';
import { claimDataDirectory } from './single-instance.js';
import { withDefaults } from './service-environment.js';
import { endStaleServices } from './service-pids.js';
import { startSplit, type SplitOptions } from './split-processes.js';
import type { StartedPlatform } from './started-platform.js';
import { TraceTerminal } from './trace/trace-terminal.js';

interface Stoppable {
  stop(): Promise<void>;
}

/** What the platform needs beside itself. */
interface Dependency extends Stoppable {
  onUnexpectedExit(listener: (how: string) => void): void;
}

const MODEL_TIMEOUT_MS = 60_000;
/** For what is being started when the stop comes. What takes longer ends with this process. */
const BEGINNING_GRACE_MS = 20_000;

const flag = { type: 'boolean' } as const;

/** `quickstart [--split] [--trace]`: everything on this machine, until a signal comes. */
export async function quickstartCommand(commandArguments: readonly string[]): Promise<number> {
  const { split: isSplit = false, trace: isTraced = false } = parseFlags({ args: commandArguments, options: { split: flag, trace: flag } }).values;
  const quickstart = new Quickstart(quickstartDataDirectory(), isSplit, isTraced);
  const stopped = runUntilSignal(() => quickstart.stop(), { onSecondSignal: () => quickstart.kill() });
  try {
    // A start that is stopped may wait for what is gone.
    await Promise.race([quickstart.start(), stopped]);
  } catch (error) {
    // A signal during the start lets steps fail; that is not an error to tell.
    if (!quickstart.isStopping) {
      await quickstart.stop();
      throw error;
    }
  }
  await stopped;
  return 0;
}

class Quickstart {
  isStopping = false;
  private readonly progress = new Progress();
  private readonly cancel = new AbortController();
  /** What is started or being started. */
  private readonly beginnings: Promise<unknown>[] = [];
  /** What was started, in order; stopped in the opposite one. */
  private readonly stops: Stoppable[] = [];
  private platform: StartedPlatform | undefined;
  private releaseDirectory: (() => void) | undefined;

  constructor(
    private readonly dataDirectory: string,
    private readonly isSplit: boolean,
    private readonly isTraced: boolean,
  ) {}

  async start(): Promise<void> {
    // What is wrong is told before anything is started.
    const problems = checkConfig((await configSections()).map(({ definition }) => definition));
    if (problems.length > 0) throw new ConfigError(problems);
    const { ingressReplicas, billingReplicas, httpHost, httpPort: wantedPort } = loadConfig(quickstartConfig);
    this.releaseDirectory = claimDataDirectory(this.dataDirectory);
    removeContractFile(this.dataDirectory);
    await endStaleServices(this.dataDirectory);
    const portCount = this.isSplit ? ingressReplicas : 1;
    const httpPort = wantedPort === 0 ? await freePortRun(portCount) : await requirePorts(wantedPort, portCount, httpHost);
    this.progress.say(`Starting Switchyard${this.isSplit ? ' as separate services' : ''}; data is kept in ${this.dataDirectory}`);
    for (const name of await unreadVariables()) this.progress.say(`  ${name} is set, but nothing reads it`);
    const secrets = new SecretsFile(this.dataDirectory);
    const environment = { ...(await this.startDependencies(secrets)), ...(await this.startTraceTerminal()) };
    const platform = await this.progress.step('starting the services', 'The services run', () =>
      this.startPlatform(environment, { httpHost, httpPort, ingressReplicas, billingReplicas }),
    );
    const contract = await this.progress.step('waiting until everything is ready', 'Everything is ready', () => this.prepare(platform, secrets, environment));
    if (this.isStopping) return;
    writeContractFile(this.dataDirectory, contract);
    platform.onProcessesChanged(() => writeContractFile(this.dataDirectory, { ...contract, processes: platform.processes() }));
    const isSimulated = environment['SWITCHYARD_CATALOG_FILE']?.endsWith('simulated-catalog.yaml') ?? false;
    this.progress.say(announcement(contract, { elapsed: this.progress.elapsed, isSimulated, logFolder: join(this.dataDirectory, 'logs') }));
  }

  async stop(): Promise<void> {
    if (this.isStopping) return;
    this.isStopping = true;
    // Without the claim the folder is another's, and nothing was started.
    if (!this.releaseDirectory) return;
    this.progress.say('Stopping …');
    removeContractFile(this.dataDirectory);
    this.cancel.abort(new Error('The quick start is stopping'));
    await Promise.race([Promise.allSettled(this.beginnings), delay(BEGINNING_GRACE_MS)]);
    for (const part of this.stops.reverse()) await part.stop().catch((error: unknown) => this.progress.say(`  ${String(error)}`));
    this.releaseDirectory();
    this.progress.say('Stopped.');
  }

  kill(): void {
    this.platform?.kill();
  }

  /** Database, event log and providers: what is not given is started here. Returns the environment that leads the services to them. */
  private async startDependencies(secrets: SecretsFile): Promise<Environment> {
    const given = processEnvironment();
    const { dataDirectory } = this;
    const [database, kafka, simulators] = await Promise.all([
      this.unless(isSet(given, 'SWITCHYARD_DATABASE_URL'), 'starting the database', 'The database is running', () =>
        startEmbeddedPostgres(dataDirectory, secrets.value.postgresPassword, (text) => this.progress.say(text)),
      ),
      this.unless(!this.isSplit || isSet(given, 'KAFKA_BROKERS'), 'starting Kafka', 'Kafka is running', () =>
        startKafkaNode(dataDirectory, secrets, given, this.cancel.signal),
      ),
      this.unless(!wantsSimulators(given), 'starting simulated providers', 'Simulated providers are running', () =>
        startSimulatedProviders(dataDirectory, given),
      ),
    ]);
    return {
      ...withDefaults(given, { SWITCHYARD_DRAIN_DELAY_MS: '0' }),
      ...(database && { SWITCHYARD_DATABASE_URL: database.url }),
      ...(kafka && { KAFKA_BROKERS: kafka.brokers.join(',') }),
      ...(simulators && { SWITCHYARD_CATALOG_FILE: simulators.catalogFile }),
    };
  }

  /** `--trace`: the settings that lead every process's spans to this terminal. */
  private async startTraceTerminal(): Promise<Environment> {
    if (!this.isTraced) return {};
    const terminal = await this.begin(() => TraceTerminal.start(processEnvironment(), (text) => this.progress.say(text)));
    return terminal.environment;
  }

  private async unless<Part extends Dependency>(isNeedless: boolean, doing: string, done: string, start: () => Promise<Part>): Promise<Part | undefined> {
    if (isNeedless) return undefined;
    const part = await this.begin(() => this.progress.step(doing, done, start));
    part.onUnexpectedExit((how) => this.progress.say(`  ${doing.replace('starting ', '')} ended with ${how}; stop, and start again`));
    return part;
  }

  private async startPlatform(
    environment: Environment,
    shape: Pick<SplitOptions, 'httpHost' | 'httpPort' | 'ingressReplicas' | 'billingReplicas'>,
  ): Promise<StartedPlatform> {
    const { dataDirectory, isSplit } = this;
    const platform = await this.begin<StartedPlatform>(() =>
      isSplit
        ? startSplit({ dataDirectory, ...shape, environment, say: (text) => this.progress.say(text) })
        : startInOneProcess(dataDirectory, { host: shape.httpHost, port: shape.httpPort }, environment, this.cancel.signal),
    );
    this.platform = platform;
    return platform;
  }

  /** What `start` gives is stopped with the rest, also when the stop comes before it is there. @throws once the quick start stops */
  private begin<Part extends Stoppable>(start: () => Promise<Part>): Promise<Part> {
    this.cancel.signal.throwIfAborted();
    const beginning = start().then((part) => {
      this.stops.push(part);
      return part;
    });
    this.beginnings.push(beginning);
    return beginning;
  }

  private async prepare(platform: StartedPlatform, secrets: SecretsFile, environment: Environment): Promise<ContractFile> {
    await platform.ready();
    const keys = await ensureDemoAccount({ accounts: platform.port(AccountPort), keys: platform.port(KeyPort) }, secrets);
    const model = await findDemoModel(platform.port(CatalogPort), MODEL_TIMEOUT_MS);
    const ingressUrls = platform.ingressOrigins.map((origin) => `${origin}/api/v1`);
    const eventLog = { databaseUrl: environment['SWITCHYARD_DATABASE_URL'], kafkaBrokers: environment['KAFKA_BROKERS'] };
    return {
      baseUrl: ingressUrls[0]!,
      ...keys,
      accountId: DEMO_ACCOUNT_ID,
      model,
      processes: platform.processes(),
      ingressUrls,
      grpcAddresses: platform.grpcAddresses,
      healthUrls: platform.healthOrigins,
      eventLog,
    };
  }
}

function isSet(environment: Environment, name: string): boolean {
  return (environment[name] ?? '').trim() !== '';
}
