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

/** Starts one server in place of all built-in providers and three more that compete with them. */
export async function startSimulators(builtInSlugs: readonly string[]): Promise<RunningSimulators> {
  const providers = new Map<string, SimulatedProvider>([['built-in', await startSimulatedProvider({ firstTokenMs: 30, betweenWordsMs: 5 })]]);
  for (const extra of EXTRA_PROVIDERS) providers.set(extra.slug, await startSimulatedProvider(extra.options));
  const builtInUrl = providers.get('built-in')!.url;
  return {
    providers,
    catalog: {
      version: 1,
      provider_overrides: Object.fromEntries(builtInSlugs.map((slug) => [slug, { base_url: `${builtInUrl}/${slug}`, credential: 'none' }])),
      providers: EXTRA_PROVIDERS.map(({ slug, name }) => ({ slug, name, like: 'vllm', base_url: `${providers.get(slug)!.url}/v1`, credential: 'none' })),
      mirrors: EXTRA_PROVIDERS.map(({ slug, priceMultiplier }) => ({ provider: slug, models: ['*'], price_multiplier: priceMultiplier })),
    },
    close: async () => {
      await Promise.all([...providers.values()].map((provider) => provider.close()));
    },
  };
}
