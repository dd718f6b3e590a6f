import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand, type CommandResult } from './command-line.js';
import type { Databases } from './databases.js';
import { imageValues, type ClusterSettings } from './settings.js';
import type { World } from './world.js';

export const RELEASE = 'switchyard';
/** Seconds that one attempt may take: more than the longest stream of the clients. */
const TOTAL_SECONDS = 130;
const UPGRADE_TIMEOUT_MS = 900_000;
const TEST_TIMEOUT_MS = 190_000;

/** Of what autoscalers scale by: little, so that little load is enough. */
const SCALED_RESOURCES = { requests: { cpu: '100m', memory: '128Mi' } };

type Values = Record<string, unknown>;

/** The release under test: split, with a claim per spool, and every policy on. */
export class Release {
  private readonly folder = mkdtempSync(join(tmpdir(), 'switchyard-cluster-'));
  private catalog: object = {};

  constructor(
    private readonly settings: ClusterSettings,
    private readonly world: World,
    private readonly databases: Databases,
  ) {}

  useCatalog(catalog: object): void {
    this.catalog = catalog;
  }

  install(image: string): Promise<CommandResult> {
    return this.helm(['install', RELEASE, this.settings.chart, ...this.valuesArguments(image), '--timeout=10m'], UPGRADE_TIMEOUT_MS);
  }

  /** Resolves when every pod is of the new revision, or with what went wrong. `changes` are merged over the suite's values. */
  upgrade(image: string, changes: Values = {}, options: readonly string[] = []): Promise<CommandResult> {
    return this.helm(
      ['upgrade', RELEASE, this.settings.chart, ...this.valuesArguments(image, changes), '--wait', '--timeout=14m', ...options],
      UPGRADE_TIMEOUT_MS,
    );
  }

  rollback(revision: number): Promise<CommandResult> {
    return this.helm(['rollback', RELEASE, String(revision), '--wait', '--timeout=14m'], UPGRADE_TIMEOUT_MS);
  }

  /** Resolves when its chat has come and is charged; what that said is in the output. */
  test(): Promise<CommandResult> {
    return this.helm(['test', RELEASE, '--logs', '--timeout=3m'], TEST_TIMEOUT_MS);
  }

  async revision(): Promise<{ readonly number: number; readonly status: string }> {
    const { stdout } = await this.helm(['history', RELEASE, '--max=1', '-o', 'json']);
    const [last] = JSON.parse(stdout) as { revision: number; status: string }[];
    return { number: last!.revision, status: last!.status };
  }

  uninstall(): Promise<CommandResult> {
    return this.helm(['uninstall', RELEASE, '--ignore-not-found', '--timeout=5m'], 310_000);
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private helm(commandArguments: readonly string[], timeoutMs = 60_000): Promise<CommandResult> {
    const { kubeconfig, namespace, helm } = this.settings;
    const common = [...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]), '--namespace', namespace];
    return runCommand(helm, [...commandArguments, ...common], { timeoutMs });
  }

  private valuesArguments(image: string, changes: Values = {}): string[] {
    const write = (name: string, values: Values): string => {
      const file = join(this.folder, name);
      writeFileSync(file, JSON.stringify(values));
      return `--values=${file}`;
    };
    const own = this.settings.valuesFiles.map((file) => `--values=${file}`);
    return [write('suite.json', this.suiteValues(image)), ...own, write('changes.json', changes)];
  }

  private suiteValues(image: string): Values {
    const toProviders = {
      to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': this.world.namespace } }, podSelector: { matchLabels: { app: 'simulator' } } }],
      ports: [{ protocol: 'TCP', ...this.world.simulatorPorts }],
    };
    return {
      mode: 'split',
      image: imageValues(image, this.settings.pullPolicy),
      // One node may have to hold all of it.
      defaults: { resources: { requests: { cpu: '20m', memory: '128Mi' } }, minReadySeconds: 10 },
      targets: {
        // The cluster may be one busy machine, its providers too: what they are late with is no failure of theirs.
        ingress: { resources: SCALED_RESOURCES, config: { SWITCHYARD_ATTEMPT_FIRST_TOKEN_LEAST_MS: 20_000 } },
        worker: { resources: SCALED_RESOURCES, networkPolicy: { additionalEgress: [toProviders] } },
        billing: { resources: { requests: { cpu: '20m', memory: '128Mi' } } },
      },
      deadlines: { totalSeconds: TOTAL_SECONDS },
      drain: { delaySeconds: 5, timeoutSeconds: TOTAL_SECONDS + 10, spoolSeconds: 10, terminationGracePeriodSeconds: TOTAL_SECONDS + 60 },
      spool: { maxMebibytes: 64, persistence: { enabled: true, size: '256Mi', retention: { whenDeleted: 'Delete' } } },
      ...this.databases.values,
      catalog: { inline: this.catalog },
    };
  }
}
