import { startFixture, type Fixture, type Shape, type TestEndpoint } from '@switchyard/test-platform';

const ALL_PARAMETERS = ['temperature', 'top_p', 'max_tokens', 'stop', 'seed', 'tools', 'tool_choice', 'response_format', 'structured_outputs'];

/** First token of the provider `slow`; the others answer at once. */
const SLOW_FIRST_TOKEN_MS = 800;

/** USD for a million tokens, prompt and completion alike. */
function at(price: string, model: string, fields: object = {}): TestEndpoint {
  return { model: `acme/${model}`, prices: { prompt: price, completion: price }, supported_parameters: ALL_PARAMETERS, ...fields };
}

const KEEPS = { may_train: false, retains: true, zdr: false };
const TRAINS = { may_train: true, retains: true, zdr: false };
const KEEPS_NOTHING = { may_train: false, retains: false, zdr: true };

const ALPHA: readonly TestEndpoint[] = [
  at('1', 'lottery'),
  at('1', 'poet-1'),
  at('1', 'poet-2'),
  at('2', 'ordered'),
  at('1', 'private'),
  at('1', 'leaky', { data_policy: TRAINS }),
  at('1', 'quantized', { quantization: 'fp4' }),
  at('1', 'regional', { region: 'eu' }),
  at('2', 'regional', { region: 'us' }),
  at('0.5', 'regional', { service_tier: 'flex' }),
  at('2', 'tiered'),
  at('4', 'tiered', { service_tier: 'priority' }),
  at('1', 'gift'),
  at('0', 'gift', { variant: 'free' }),
  at('1', 'ended'),
  at('1', 'picky', { supported_parameters: ['temperature', 'max_tokens'] }),
  at('1', 'plain', { supported_parameters: ['temperature', 'max_tokens'] }),
  at('1', 'schemaless', { supported_parameters: ['temperature', 'max_tokens', 'response_format'] }),
  at('1', 'fragile'),
  at('1', 'pinned'),
  at('1', 'limited'),
  at('1', 'exhausted'),
  at('1', 'busy'),
  at('1', 'wordy'),
  at('1', 'closed'),
  at('1', 'measured'),
  at('2', 'dated', { snapshots: { '2026-02-01': 'dated-of-february' } }),
  at('1', 'tiny', { context_length: 50, max_completion_tokens: 50 }),
];

const BETA: readonly TestEndpoint[] = [
  at('3', 'lottery'),
  at('3', 'ordered'),
  at('2', 'private', { data_policy: KEEPS }),
  at('2', 'quantized', { quantization: 'fp8' }),
  at('3', 'regional'),
  at('3', 'picky'),
  at('3', 'fragile'),
  at('3', 'pinned'),
  at('3', 'limited'),
  at('3', 'exhausted'),
  at('3', 'stand-in'),
  at('1', 'dated'),
];

const SLOW: readonly TestEndpoint[] = [
  at('1', 'ordered'),
  at('3', 'private', { data_policy: KEEPS_NOTHING }),
  at('3', 'quantized', { quantization: 'mxfp8' }),
  at('1', 'tiered'),
  at('0.5', 'tiered', { service_tier: 'flex' }),
];

/** A window of the day that holds the whole of the test run, and one that holds none of it; both may wrap midnight. */
function windows(): { now: { utc_start: number; utc_end: number }; later: { utc_start: number; utc_end: number } } {
  const hour = new Date().getUTCHours();
  const at = (offset: number): number => ((hour + offset + 24) % 24) * 100;
  return { now: { utc_start: at(-2), utc_end: at(4) }, later: { utc_start: at(6), utc_end: at(10) } };
}

function conditional(): TestEndpoint[] {
  const { now, later } = windows();
  const prices = { prompt: '1', completion: '2' };
  return [
    { model: 'acme/by-size', prices, overrides: [{ min_prompt_tokens: 1_000, prices: { prompt: '5' } }] },
    {
      model: 'acme/by-time',
      prices,
      overrides: [
        { ...now, prices: { completion: '7' } },
        { ...later, prices: { prompt: '100', completion: '100' } },
      ],
    },
  ];
}

/** A catalogue in which each model shows one thing; endpoints of different models share no health. */
export function startRoutingFixture(shape: Shape): Promise<Fixture> {
  return startFixture({
    shape,
    providers: {
      alpha: { name: 'Alpha', endpoints: [...ALPHA, ...conditional()] },
      beta: { name: 'Beta', endpoints: BETA },
      slow: { name: 'Slow', simulate: { firstTokenMs: SLOW_FIRST_TOKEN_MS }, endpoints: SLOW },
    },
    catalog: {
      models: [
        { slug: 'acme/poet-2', aliases: ['verse', 'acme/verse'] },
        { slug: 'acme/ended', free_variant_ended: true },
      ],
    },
  });
}
