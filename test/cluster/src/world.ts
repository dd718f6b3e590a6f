import type { PopulationCommand, PopulationStatus, StreamRecord } from './client/stream-record.js';
import { Kubernetes, until } from './kubernetes.js';
import type { ClusterSettings } from './settings.js';

const SIMULATOR = 'simulator';
const CLIENT = 'client';
const SIMULATOR_PORT = 8090;
/** Far longer than the longest stream. */
const FINISH_TIMEOUT_MS = 300_000;
const PROGRAM = ['/usr/local/bin/node', '/app/services/all/dist/main.js'];

/** Everything that is not Switchyard: simulated providers and the clients, in a namespace of their own. Nothing here is ever rolled. */
export class World {
  readonly kubernetes: Kubernetes;

  constructor(private readonly settings: ClusterSettings) {
    this.kubernetes = new Kubernetes(settings, `${settings.namespace}-world`);
  }

  get namespace(): string {
    return this.kubernetes.namespace;
  }

  get simulatorHost(): string {
    return `${SIMULATOR}.${this.namespace}.svc`;
  }

  get simulatorPorts(): { readonly port: number; readonly endPort: number } {
    return { port: SIMULATOR_PORT, endPort: SIMULATOR_PORT + 3 };
  }

  async startProviders(): Promise<void> {
    const labels = { app: SIMULATOR };
    const container = {
      name: SIMULATOR,
      image: this.settings.images.current,
      imagePullPolicy: this.settings.pullPolicy,
      args: ['simulate', '--catalog-file=-', ...this.simulatorArguments()],
      readinessProbe: { tcpSocket: { port: SIMULATOR_PORT + 3 }, periodSeconds: 1 },
      resources: { requests: { cpu: '20m', memory: '128Mi' } },
      securityContext: CONTAINER_SECURITY,
    };
    const ports = [0, 1, 2, 3].map((index) => ({ name: `provider-${index}`, port: SIMULATOR_PORT + index, targetPort: SIMULATOR_PORT + index }));
    await this.kubernetes.apply(
      { apiVersion: 'v1', kind: 'Service', metadata: { name: SIMULATOR }, spec: { selector: labels, ports } },
      deployment(SIMULATOR, container),
    );
    await this.kubernetes.call(['rollout', 'status', `deployment/${SIMULATOR}`, '--timeout=120s'], { timeoutMs: 130_000 });
  }

  /** The operator's catalogue that leads to the simulated providers. */
  async catalog(): Promise<object> {
    const [pod] = await this.pods(SIMULATOR);
    const text = await this.kubernetes.exec(pod!, [...PROGRAM, 'simulate', '--catalog-only', '--catalog-file=-', ...this.simulatorArguments()]);
    return JSON.parse(text) as object;
  }

  async startClient(baseUrl: string, apiKey: string, model: string): Promise<void> {
    const env = Object.entries({ OPENAI_BASE_URL: baseUrl, OPENAI_API_KEY: apiKey, MODEL: model }).map(([name, value]) => ({ name, value }));
    await this.kubernetes.apply(
      deployment(CLIENT, {
        name: CLIENT,
        image: this.settings.images.client,
        imagePullPolicy: this.settings.pullPolicy,
        env,
        resources: { requests: { cpu: '20m', memory: '128Mi' } },
        securityContext: CONTAINER_SECURITY,
      }),
    );
    await this.kubernetes.call(['rollout', 'status', `deployment/${CLIENT}`, '--timeout=120s'], { timeoutMs: 130_000 });
    await until('the client to obey', 30_000, async () => (await this.attemptControl({ command: 'status' })) !== undefined);
  }

  /** Opens what is missing until so many streams are open, so many of them with a minute and more to go. */
  ensureStreams(openCount: number, longCount: number, pauseMs?: number): Promise<PopulationStatus> {
    return this.control<PopulationStatus>({ command: 'ensure', openCount, longCount, ...(pauseMs === undefined ? {} : { pauseMs }) });
  }

  status(): Promise<PopulationStatus> {
    return this.control<PopulationStatus>({ command: 'status' });
  }

  setBackground(concurrency: number): Promise<PopulationStatus> {
    return this.control<PopulationStatus>({ command: 'background', concurrency });
  }

  finish(): Promise<PopulationStatus> {
    return this.control<PopulationStatus>({ command: 'finish' });
  }

  records(from = 0): Promise<StreamRecord[]> {
    return this.control<StreamRecord[]>({ command: 'records', from });
  }

  async clientPod(): Promise<string> {
    return (await this.pods(CLIENT))[0]!;
  }

  private async control<Answer>(command: PopulationCommand): Promise<Answer> {
    return JSON.parse(await this.kubernetes.exec(await this.clientPod(), controlCommand(command), { timeoutMs: FINISH_TIMEOUT_MS })) as Answer;
  }

  private async attemptControl(command: PopulationCommand): Promise<string | undefined> {
    const { exitCode, stdout } = await this.kubernetes.attemptExec(await this.clientPod(), controlCommand(command));
    return exitCode === 0 ? stdout : undefined;
  }

  private async pods(app: string): Promise<string[]> {
    const { items } = await this.kubernetes.get<{ items: { metadata: { name: string } }[] }>(
      'pods',
      '-l',
      `app=${app}`,
      '--field-selector=status.phase=Running',
    );
    return items.map((item) => item.metadata.name);
  }

  private simulatorArguments(): string[] {
    return ['--host=0.0.0.0', `--port=${SIMULATOR_PORT}`, `--advertised-host=${this.simulatorHost}`];
  }
}

function controlCommand(command: PopulationCommand): string[] {
  return ['node', '/app/dist/client/control.js', JSON.stringify(command)];
}

export const CONTAINER_SECURITY = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsNonRoot: true, readOnlyRootFilesystem: true };
export const POD_SECURITY = { runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, fsGroup: 65532, seccompProfile: { type: 'RuntimeDefault' } };

function deployment(app: string, container: object): object {
  const labels = { app };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: app },
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: POD_SECURITY,
          containers: [container],
        },
      },
    },
  };
}

/** A pod that only waits, of the client's image, for looking out of. */
export function waitingPod(name: string, image: string, pullPolicy: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
      securityContext: POD_SECURITY,
      containers: [
        { name: 'waits', image, imagePullPolicy: pullPolicy, args: ['-e', 'setInterval(() => undefined, 60000)'], securityContext: CONTAINER_SECURITY },
      ],
    },
  };
}
