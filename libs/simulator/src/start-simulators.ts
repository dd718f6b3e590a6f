import { startSimulatedProvider, type SimulatedProvider, type SimulatedProviderOptions } from './simulated-provider.js';

/** A simulated provider beside the built-in ones: the same models at another price and speed. */
interface ExtraProvider {
  readonly slug: string;
  readonly name: string;
  readonly priceMultiplier: number;
  readonly options: SimulatedProviderOptions;
}

const EXTRA_PROVIDERS: readonly ExtraProvider[] = [
  { slug: 'sim-swift', name: 'Sim Swift', priceMultiplier: 1.5, options: { firstTokenMs: 5, betweenWordsMs: 2 } },
  { slug: 'sim-thrift', name: 'Sim Thrift', priceMultiplier: 0.8, options: { firstTokenMs: 80, betweenWordsMs: 15 } },
  {
    slug: 'sim-flaky',
    name: 'Sim Flaky',
    priceMultiplier: 0.9,
    options: {
      firstTokenMs: 20,
      betweenWordsMs: 5,
      faults: [
        { kind: 'server_error', share: 0.1, seed: 11, delayMs: 0, afterWords: 0 },
        { kind: 'rate_limit', share: 0.05, seed: 12, delayMs: 0, afterWords: 0, retryAfterSeconds: 1 },
      ],
    },
  },
];

export interface RunningSimulators {
  /** By provider slug; all built-in providers share the one named `built-in`. */
  readonly providers: ReadonlyMap<string, SimulatedProvider>;
  /** Contents of an operator's catalogue file that sends every provider to its simulator. */
  readonly catalog: object;
  close(): Promise<void>;
}

export interface SimulatorOptions {
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Port of the server that stands for all built-in providers; the others take the following ones. 0 or absent: any free ones. */
  readonly firstPort?: number | undefined;
  /** Host that the catalogue names; default 127.0.0.1. */
  readonly advertisedHost?: string | undefined;
  /** Milliseconds between the words of the built-in providers; default 5. */
  readonly betweenWordsMs?: number | undefined;
}

const BUILT_IN = 'built-in';

/** Starts one server in place of all built-in providers and three more that compete with them. */
export async function startSimulators(builtInSlugs: readonly string[], options: SimulatorOptions = {}): Promise<RunningSimulators> {
  const providers = new Map<string, SimulatedProvider>();
  for (const [index, [slug, ownOptions]] of simulatorsOf(options).entries()) {
    const port = options.firstPort ? options.firstPort + index : 0;
    providers.set(slug, await startSimulatedProvider({ ...ownOptions, host: options.host ?? '127.0.0.1', port }));
  }
  const ports = new Map([...providers].map(([slug, { port }]) => [slug, port]));
  return {
    providers,
    catalog: catalogOf(builtInSlugs, (slug) => urlOf(options.advertisedHost, ports.get(slug)!)),
    close: async () => {
      await Promise.all([...providers.values()].map((provider) => provider.close()));
    },
  };
}

/** The catalogue file of simulators that run elsewhere with these options. */
export function simulatorCatalog(builtInSlugs: readonly string[], options: SimulatorOptions & { readonly firstPort: number }): object {
  const ports = new Map(simulatorsOf(options).map(([slug], index) => [slug, options.firstPort + index]));
  return catalogOf(builtInSlugs, (slug) => urlOf(options.advertisedHost, ports.get(slug)!));
}

function simulatorsOf({ betweenWordsMs = 5 }: SimulatorOptions): [string, SimulatedProviderOptions][] {
  return [[BUILT_IN, { firstTokenMs: 30, betweenWordsMs }], ...EXTRA_PROVIDERS.map(({ slug, options }): [string, SimulatedProviderOptions] => [slug, options])];
}

function urlOf(advertisedHost = '127.0.0.1', port: number): string {
  return `http://${advertisedHost}:${port}`;
}

function catalogOf(builtInSlugs: readonly string[], urlOfProvider: (slug: string) => string): object {
  const builtInUrl = urlOfProvider(BUILT_IN);
  return {
    version: 1,
    provider_overrides: Object.fromEntries(builtInSlugs.map((slug) => [slug, { base_url: `${builtInUrl}/${slug}`, credential: 'none' }])),
    providers: EXTRA_PROVIDERS.map(({ slug, name }) => ({ slug, name, like: 'vllm', base_url: `${urlOfProvider(slug)}/v1`, credential: 'none' })),
    mirrors: EXTRA_PROVIDERS.map(({ slug, priceMultiplier }) => ({ provider: slug, models: ['*'], price_multiplier: priceMultiplier })),
  };
}
