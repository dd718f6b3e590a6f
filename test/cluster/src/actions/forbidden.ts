import { demand, type Action } from '../action.js';
import type { Address } from '../databases.js';
import type { Kubernetes } from '../kubernetes.js';
import { RELEASE } from '../release.js';
import { waitingPod } from '../world.js';

const STRANGER = 'stranger';
const CONNECT_TIMEOUT_MS = 4_000;

/** Whose pods reach the providers, which are outside of the release's namespace as the internet is, and the databases, wherever they are. */
const REACHED_BY = { providers: ['worker'], postgres: ['router', 'billing', 'analytics'], kafka: ['ingress', 'worker', 'billing', 'analytics'] };
const COMPONENTS = ['ingress', 'worker', 'router', 'billing', 'analytics'];

/** Every pod reaches what it needs, and nothing else: no pod but the worker reaches out. */
const reachingOut: Action = {
  name: 'reaching-out',
  kind: 'forbidden',
  async run({ kubernetes, databases, world }) {
    const addresses = { providers: { host: world.simulatorHost, port: world.simulatorPorts.port }, ...databases.addresses };
    const check = async (component: string, place: keyof typeof REACHED_BY): Promise<void> => {
      const [pod] = await kubernetes.readyPods(component);
      const reaches = await connects((command) => kubernetes.exec(pod!.metadata.name, command), addresses[place]);
      demand(reaches === REACHED_BY[place].includes(component), `The ${component} ${reaches ? 'reaches' : 'cannot reach'} ${place}`);
    };
    const places = Object.keys(REACHED_BY) as (keyof typeof REACHED_BY)[];
    for (const component of COMPONENTS) await Promise.all(places.map((place) => check(component, place)));
    return places.map((place) => `${place}: ${REACHED_BY[place].join(', ')}`).join('; ') + '; nobody else';
  },
};

/** A pod that does not belong to the release reaches its public API and nothing else, from its own namespace and from another. */
const strangers: Action = {
  name: 'strangers',
  kind: 'forbidden',
  async run({ kubernetes, databases, world, settings }) {
    // Who reaches databases that are not the chart's is not the chart's to say.
    const inner: Record<string, Address> = { billing: serviceOf(kubernetes, 'billing', 9090), worker: serviceOf(kubernetes, 'worker', 9090) };
    if (databases.kind === 'bundled') Object.assign(inner, databases.addresses);
    const publicApi = serviceOf(kubernetes, undefined, 80);
    await kubernetes.apply(waitingPod(STRANGER, settings.images.client, settings.pullPolicy));
    try {
      await kubernetes.call(['wait', '--for=condition=Ready', `pod/${STRANGER}`, '--timeout=60s'], { timeoutMs: 70_000 });
      const client = await world.clientPod();
      await expectNoWayIn('a pod of the same namespace', publicApi, inner, (command) => kubernetes.exec(STRANGER, command));
      await expectNoWayIn('a pod of another namespace', publicApi, inner, (command) => world.kubernetes.exec(client, command));
    } finally {
      await kubernetes.call(['delete', 'pod', STRANGER, '--force', '--grace-period=0']);
    }
    return `strangers reach the public API, and none of ${Object.keys(inner).join(', ')}`;
  },
};

const privilegedPods: Action = {
  name: 'privileged-pods',
  kind: 'forbidden',
  async run({ kubernetes, settings }) {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'privileged' },
      spec: { containers: [{ name: 'privileged', image: settings.images.client, securityContext: { privileged: true } }] },
    };
    const { exitCode, stderr } = await kubernetes.attempt(['create', '-f', '-'], { input: JSON.stringify(pod) });
    demand(exitCode !== 0 && /violates PodSecurity "restricted/.test(stderr), `A privileged pod was not refused: ${stderr.slice(0, 300)}`);
    return 'the namespace enforces restricted: the release runs in it, a privileged pod is refused';
  },
};

/** Values that contradict each other, and what the chart has to say of them. */
const CONTRADICTIONS: readonly { readonly values: Record<string, unknown>; readonly says: RegExp }[] = [
  { values: { drain: { timeoutSeconds: 60 } }, says: /drain\.timeoutSeconds \(60\) must be longer than deadlines\.totalSeconds/ },
  { values: { drain: { terminationGracePeriodSeconds: 100 } }, says: /drain\.terminationGracePeriodSeconds \(100\) must be longer/ },
  {
    values: { kafka: { bundled: { enabled: true }, external: { brokers: ['kafka.example:9092'] } } },
    says: /kafka\.bundled\.enabled is true and kafka\.external\.brokers/,
  },
  { values: { simulator: { enabled: true } }, says: /simulator\.enabled is true and a catalogue is given too/ },
];

const contradictions: Action = {
  name: 'contradictions',
  kind: 'forbidden',
  async run({ release, settings }) {
    const before = await release.revision();
    for (const { values, says } of CONTRADICTIONS) {
      const { exitCode, stderr } = await release.upgrade(settings.images.current, values);
      demand(exitCode !== 0 && says.test(stderr.replace(/\s+/g, ' ')), `${JSON.stringify(values)} was not refused as it should be: ${stderr.slice(0, 500)}`);
    }
    demand((await release.revision()).number === before.number, 'A refused upgrade left a revision behind');
    return `${CONTRADICTIONS.length} contradictions were refused in a sentence each, before anything was changed`;
  },
};

export const FORBIDDEN_ACTIONS: readonly Action[] = [reachingOut, strangers, privilegedPods, contradictions];

type Execute = (command: readonly string[]) => Promise<string>;

function serviceOf({ namespace }: Kubernetes, component: string | undefined, port: number): Address {
  return { host: `${component === undefined ? RELEASE : `${RELEASE}-${component}`}.${namespace}.svc`, port };
}

async function expectNoWayIn(who: string, publicApi: Address, inner: Readonly<Record<string, Address>>, execute: Execute): Promise<void> {
  demand(await connects(execute, publicApi), `${who} cannot reach the public API`);
  for (const [component, address] of Object.entries(inner)) demand(!(await connects(execute, address)), `${who} reaches ${component}`);
}

/** Whether a TCP connection comes about, tried from inside a pod. */
async function connects(execute: Execute, { host, port }: Address): Promise<boolean> {
  const program = `
    const socket = require('node:net').connect({ host: '${host}', port: ${port} });
    const tell = (text) => { process.stdout.write(text); process.exit(0); };
    socket.on('connect', () => tell('connected')).on('error', (error) => tell('failed ' + error.code));
    setTimeout(() => tell('failed by silence'), ${CONNECT_TIMEOUT_MS});`;
  const answer = await execute(['node', '-e', program]);
  if (/ENOTFOUND|EAI_AGAIN/.test(answer)) throw new Error(`${host} has no address: ${answer}`);
  return answer === 'connected';
}
