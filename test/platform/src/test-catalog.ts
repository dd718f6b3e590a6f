/** A provider that a test runs itself, and what it serves. */
export interface TestProvider {
  readonly slug: string;
  readonly name?: string;
  /** A built-in provider whose wire format it speaks: `vllm` (plain OpenAI chat) unless said otherwise. */
  readonly like?: string;
  readonly baseUrl: string;
  /** `environment`: the worker's own credential for it; nothing is sent unless said otherwise. */
  readonly credential?: 'environment' | 'none';
  readonly dataPolicy?: { readonly may_train: boolean; readonly retains: boolean; readonly zdr: boolean } | undefined;
  readonly endpoints: readonly TestEndpoint[];
}

/** Fields of an endpoint as the catalogue file spells them; prices in USD for a million tokens. */
export interface TestEndpoint {
  readonly model: string;
  readonly provider_model_id?: string;
  readonly prices: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

const PARAMETERS = [
  'temperature',
  'top_p',
  'max_tokens',
  'stop',
  'seed',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'response_format',
  'structured_outputs',
  'reasoning',
  'reasoning_effort',
  'include_reasoning',
  'frequency_penalty',
  'presence_penalty',
  'logprobs',
  'top_logprobs',
];

/** The operator's catalogue file for a set of test providers. */
export function testCatalog(providers: readonly TestProvider[], builtIn: boolean): object {
  const slugs = new Set(providers.flatMap((provider) => provider.endpoints.map((endpoint) => endpoint.model)));
  return {
    version: 1,
    built_in: builtIn,
    models: [...slugs].map((slug) => ({ slug, name: slug, context_length: 200_000, input_modalities: ['text', 'image'], reasoning: true })),
    providers: providers.map((provider) => ({
      slug: provider.slug,
      name: provider.name ?? provider.slug,
      like: provider.like ?? 'vllm',
      base_url: provider.baseUrl,
      credential: provider.credential ?? 'none',
      ...(provider.dataPolicy ? { data_policy: provider.dataPolicy } : {}),
    })),
    endpoints: providers.flatMap((provider) =>
      provider.endpoints.map((endpoint) => ({
        provider: provider.slug,
        provider_model_id: endpoint.model.split('/').at(-1),
        context_length: 200_000,
        max_completion_tokens: 8_192,
        supported_parameters: PARAMETERS,
        input_modalities: ['text', 'image'],
        ...endpoint,
      })),
    ),
  };
}
