import { startSimulatedProvider, type SimulatedProvider, type SimulatedProviderOptions } from '@switchyard/simulator';
import { startPlatform, type PlatformOptions, type Shape, type StartedPlatform } from './start-platform.js';
import type { TestEndpoint, TestProvider } from './test-catalog.js';

/** Models that every fixture serves. */
export const MODELS = {
  /** OpenAI's dialect at two providers: `alpha` at 1 and 2 USD for a million tokens, `beta` at three times that. */
  writer: 'acme/writer',
  /** Anthropic's dialect. */
  thinker: 'acme/thinker',
  /** Google's dialect. */
  seer: 'acme/seer',
  /** `beta` serves it for a tenth of `alpha`'s price, but writes at most 100 tokens. */
  novelist: 'acme/novelist',
  /** OpenAI's embeddings. */
  embedder: 'acme/embedder',
} as const;

export interface Fixture {
  readonly platform: StartedPlatform;
  /** By provider slug: `alpha`, `beta`, `anthropic-sim`, `gemini-sim`, and what the test added without a server of its own. */
  readonly upstreams: Readonly<Record<string, SimulatedProvider>>;
  stop(): Promise<void>;
}

export interface FixtureOptions {
  readonly shape: Shape;
  readonly environment?: Readonly<Record<string, string>>;
  readonly catalog?: PlatformOptions['catalog'];
  readonly builtInCatalog?: boolean;
  /** Replaces fields of a base provider (`alpha`, `beta`, …) or adds one; `simulate` starts its server. */
  readonly providers?: Readonly<Record<string, FixtureProvider>>;
}

export interface FixtureProvider {
  readonly like?: string;
  readonly name?: string;
  readonly simulate?: SimulatedProviderOptions;
  /** A server of the test's own, up to and with `/v1`, instead of a simulated one. */
  readonly baseUrl?: string;
  readonly dataPolicy?: TestProvider['dataPolicy'];
  readonly credential?: 'environment' | 'none';
  readonly endpoints?: readonly TestEndpoint[];
}

const CHEAP = { prompt: '1', completion: '2' };
const DEAR = { prompt: '3', completion: '6' };

const BASE_PROVIDERS: Readonly<Record<string, FixtureProvider>> = {
  alpha: {
    name: 'Alpha',
    endpoints: [
      { model: MODELS.writer, prices: CHEAP },
      { model: MODELS.novelist, prices: CHEAP },
      { model: MODELS.embedder, prices: { prompt: '0.1', completion: '0' }, input_modalities: ['text'], output_modalities: ['embeddings'] },
    ],
  },
  beta: {
    name: 'Beta',
    endpoints: [
      { model: MODELS.writer, prices: DEAR },
      { model: MODELS.novelist, prices: { prompt: '0.1', completion: '0.2' }, max_completion_tokens: 100 },
    ],
  },
  'anthropic-sim': {
    name: 'Anthropic Sim',
    like: 'anthropic',
    endpoints: [{ model: MODELS.thinker, prices: { ...DEAR, input_cache_read: '0.3', input_cache_write: '3.75' } }],
  },
  'gemini-sim': { name: 'Gemini Sim', like: 'google', endpoints: [{ model: MODELS.seer, prices: CHEAP }] },
};

/** Starts upstreams of the test's own and a platform that serves them. */
export async function startFixture(options: FixtureOptions): Promise<Fixture> {
  const wanted: Record<string, FixtureProvider> = { ...BASE_PROVIDERS };
  for (const [slug, provider] of Object.entries(options.providers ?? {})) wanted[slug] = { ...wanted[slug], ...provider };
  const upstreams: Record<string, SimulatedProvider> = {};
  const providers: TestProvider[] = [];
  async function startUpstream(slug: string, simulate: SimulatedProviderOptions | undefined): Promise<string> {
    const upstream = await startSimulatedProvider(simulate);
    upstreams[slug] = upstream;
    return `${upstream.url}/v1`;
  }
  for (const [slug, { simulate, endpoints, baseUrl, ...provider }] of Object.entries(wanted)) {
    providers.push({ slug, baseUrl: baseUrl ?? (await startUpstream(slug, simulate)), endpoints: endpoints ?? [], ...provider });
  }
  const closeUpstreams = () => Promise.all(Object.values(upstreams).map((upstream) => upstream.close()));
  try {
    const platform = await startPlatform({
      shape: options.shape,
      providers,
      ...(options.builtInCatalog === undefined ? {} : { builtInCatalog: options.builtInCatalog }),
      ...(options.catalog === undefined ? {} : { catalog: options.catalog }),
      ...(options.environment === undefined ? {} : { environment: options.environment }),
    });
    return {
      platform,
      upstreams,
      stop: async () => {
        await platform.remove();
        await closeUpstreams();
      },
    };
  } catch (error) {
    await closeUpstreams();
    throw error;
  }
}
