import { startSimulatedProvider, type SimulatedProvider, type SimulatedProviderOptions } from '@switchyard/simulator';
import { testCatalog, type TestProvider } from '@switchyard/test-platform';

interface UpstreamPlan {
  readonly slug: string;
  readonly like?: string;
  readonly model: string;
  readonly prices: Readonly<Record<string, string>>;
  readonly simulate: SimulatedProviderOptions;
}

/** Two providers for each model, in three dialects; the cheaper one, which gets most of the traffic, fails in every way that a provider can fail in. */
const PACE = { firstTokenMs: 10, betweenWordsMs: 6 };
const UNRELIABLE: NonNullable<SimulatedProviderOptions['faults']> = [
  { kind: 'cut', share: 0.03, seed: 11, afterWords: 3, delayMs: 0 },
  { kind: 'cut', share: 0.02, seed: 12, afterWords: 0, delayMs: 0 },
  { kind: 'error_frame', share: 0.02, seed: 13, afterWords: 4, delayMs: 0 },
  { kind: 'server_error', share: 0.04, seed: 14, afterWords: 0, delayMs: 0 },
  { kind: 'garbage', share: 0.01, seed: 15, afterWords: 0, delayMs: 0 },
  { kind: 'stall', share: 0.01, seed: 16, afterWords: 2, delayMs: 0 },
  { kind: 'delay', share: 0.05, seed: 17, afterWords: 0, delayMs: 600 },
];
const CHEAP = { prompt: '1', completion: '2' };
const DEAR = { prompt: '3', completion: '6' };
const PLANS: readonly UpstreamPlan[] = [
  { slug: 'alpha', model: 'acme/writer', prices: CHEAP, simulate: { ...PACE, faults: UNRELIABLE } },
  { slug: 'beta', model: 'acme/writer', prices: DEAR, simulate: PACE },
  { slug: 'gamma', like: 'anthropic', model: 'acme/thinker', prices: CHEAP, simulate: { ...PACE, faults: UNRELIABLE } },
  { slug: 'delta', like: 'anthropic', model: 'acme/thinker', prices: DEAR, simulate: PACE },
  { slug: 'epsilon', like: 'google', model: 'acme/seer', prices: CHEAP, simulate: { ...PACE, faults: UNRELIABLE } },
  { slug: 'zeta', like: 'google', model: 'acme/seer', prices: DEAR, simulate: PACE },
];

export const CHAOS_MODELS: readonly string[] = [...new Set(PLANS.map((plan) => plan.model))];

/** The providers of a run: real HTTP servers in this process, which nobody harms but their own faults. */
export class Upstreams {
  private constructor(
    private readonly servers: readonly SimulatedProvider[],
    /** The operator's catalogue file that leads to them. */
    readonly catalog: object,
  ) {}

  static async start(): Promise<Upstreams> {
    const servers: SimulatedProvider[] = [];
    const providers: TestProvider[] = [];
    for (const { slug, like, model, prices, simulate } of PLANS) {
      const server = await startSimulatedProvider(simulate);
      servers.push(server);
      providers.push({ slug, ...(like === undefined ? {} : { like }), baseUrl: `${server.url}/v1`, endpoints: [{ model, prices }] });
    }
    return new Upstreams(servers, testCatalog(providers, false));
  }

  get requestCount(): number {
    return this.servers.reduce((sum, server) => sum + server.counts.requests, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
  }
}
