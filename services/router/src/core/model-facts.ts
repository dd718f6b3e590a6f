/** What a source says about a model; every field may be missing. */
export interface ModelFacts {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly contextLength?: number | undefined;
  readonly maxCompletionTokens?: number | undefined;
  readonly inputModalities?: readonly string[] | undefined;
  readonly outputModalities?: readonly string[] | undefined;
  readonly reasoning?: boolean | undefined;
  readonly tools?: boolean | undefined;
  readonly temperature?: boolean | undefined;
  readonly openWeights?: boolean | undefined;
  readonly knowledgeCutoff?: string | undefined;
  /** `2025-08-07`. */
  readonly releaseDate?: string | undefined;
}

/** Takes the first source that knows, field by field. */
export function mergeFacts(sources: readonly ModelFacts[]): ModelFacts {
  const merged: Record<string, unknown> = {};
  for (const facts of sources) {
    for (const [field, value] of Object.entries(facts)) if (value !== undefined && merged[field] === undefined) merged[field] = value;
  }
  return merged;
}

/** Ids that are no chat or embedding models: they are served by other APIs, or by none. `:batch` is a model's price in the batch API, no other model. */
const OTHER_KINDS =
  /whisper|transcribe|-tts|tts-|realtime|moderation|gpt-image|-ocr|-live|lyria|grok-voice|rerank|m2m100|indictrans|distilbert|resnet|stable-diffusion|dreamshaper|flux|melotts|aura-|nova-3$|lucid-|parakeet|nemoretriever|uform|bart-large|computer-use|^ft:|\.ft-|^(ada|babbage|curie|davinci|text-davinci.*)$|lyria|sqlcoder|multi-agent|omni-flash|discolm|voxtral-mini|moondream|switchpoint\/router|:batch$/;

/** Models of these kinds answer to `/embeddings`. */
const EMBEDDINGS = /embed|(^|\/)bge-/;

export function isOtherKind(id: string): boolean {
  return OTHER_KINDS.test(id.toLowerCase());
}

export function isEmbedding(id: string): boolean {
  return EMBEDDINGS.test(id.toLowerCase());
}

const IMAGE_INPUT =
  /vision|-vl|vl-|omni|gpt-4o|gpt-4\.|gpt-4-turbo|gpt-5|gpt-6|chatgpt|\/o1$|\/o1-pro|\/o3|\/o4|claude-[3-9]|claude-(opus|sonnet|haiku|fable)|gemini|pixtral|llama-4|gemma-3|gemma-4|grok-4|mistral-(small-3|medium-3|large-2512)|ministral-\d+b-2512|magistral-\w+-2509|molmo|multimodal|kimi-k2\.[5-9]|kimi-k3|glm-\d(\.\d)?v|ui-tars|nova-(lite|pro|premier|2)|qwen3\.[5-9]|internvl/;
const REASONING =
  /\/o1|\/o3|\/o4|gpt-5|gpt-6|gpt-oss|deepseek-(r1|v3\.[12]|v4|chat-v3\.1)|-r1|qwq|thinking|reason|magistral|mistral-(medium-3-5|small-2603)|grok-(3-mini|4|code)|gemini-(2\.5|3)|claude-(3\.7|opus|sonnet|haiku-[4-9]|fable|mythos)|qwen3|glm-(4\.[5-9]|5)|minimax-m|kimi-k2\.[5-9]|kimi-k3|nemotron|sonar-(reasoning|deep)|olmo-3|mimo|seed-|step-3|hermes-4|intellect|aion-1|ring-|gemma-4|mercury-2|hunyuan|inkling/;
// From 5.1 on plain GPT-5 takes `none`; its codex and pro models do not. https://platform.claude.com/docs/en/models/sonnet-5-5/migration-guide
const REASONING_MANDATORY =
  /claude-(fable|mythos|(opus|sonnet)-5\.5)|gpt-6(-astra|\.1)|\/o1|\/o3|\/o4-mini|gpt-5(?!.*chat)(?!\.\d+(?!.*(codex|pro)))|deepseek-r1|qwq|-thinking$|deep-research|sonar-reasoning|gemini-2\.5-pro|minimax-m/;
const NO_TOOLS =
  /instruct-v0\.1|llama-(2|3-|guard)|gemma-(2|7|1)|codellama|\/o1-(mini|preview)|sonar|r1-distill|vicuna|alpaca|mythomax|deep-research|audio-preview|goliath|wizardlm|phi-[23]|qwen1\.5|redpajama|openchat|hermes-2|airoboros|palm-2|lfm|olmo-7b|toppy|remm/;

// https://platform.claude.com/docs/en/about-claude/models/migration-guide, https://platform.openai.com/docs/guides/reasoning
const OWN_SAMPLING = /claude-(opus-4\.[7-9]|(opus|sonnet|haiku)-[5-9]|fable|mythos)|openai\/(o[134]|gpt-5(?!(\.3)?-chat)|gpt-[6-9])/;

// Refused by Moonshot alone; who else serves them samples as asked. https://platform.kimi.ai/docs/api/models-overview
const OWN_SAMPLING_AT_MOONSHOT = /kimi-(k2\.[5-9]|k[3-9])/;

// https://docs.x.ai/docs/guides/reasoning
const NO_PENALTIES_NO_STOP = /x-ai\/grok-(3-mini|[4-9]|code|build)/;

/**
 * The longest answers that makers state (https://platform.claude.com/docs/en/about-claude/models/overview, https://platform.openai.com/docs/models); the
 * first that fits. A request that names no limit is sent with this one.
 */
const LONGEST_ANSWERS: readonly (readonly [RegExp, number])[] = [
  [/claude-((opus|sonnet|haiku)-4\.5|sonnet-4\.6)/, 64_000],
  [/claude-(opus-4\.[6-9]|(opus|sonnet|haiku)-[5-9]|fable|mythos)/, 128_000],
  [/openai\/gpt-5-pro/, 272_000],
  [/openai\/gpt-[56](?!.*(chat|image|spark))/, 128_000],
];

/** What a model's name and family let one expect, where no source says. */
export function expectedFacts(slug: string): ModelFacts {
  const takesImages = IMAGE_INPUT.test(slug);
  const isEmbeddingModel = isEmbedding(slug);
  const longest = LONGEST_ANSWERS.find(([pattern]) => pattern.test(slug))?.[1];
  const takesAudio = /audio|gemini-(2|3)|voxtral/.test(slug) && !/audio-preview-text/.test(slug);
  return {
    maxCompletionTokens: longest,
    inputModalities: [
      'text',
      ...(takesImages ? ['image'] : []),
      ...(takesAudio ? ['audio'] : []),
      ...(/gemini-(1\.5|2|3)|flash-1\.5|pro-1\.5/.test(slug) ? ['video'] : []),
    ],
    outputModalities: isEmbeddingModel
      ? ['embeddings']
      : ['text', ...(/-image(-|$)/.test(slug) ? ['image'] : []), ...(/gpt-audio|gpt-4o(-mini)?-audio/.test(slug) ? ['audio'] : [])],
    reasoning: REASONING.test(slug) && !/non-reasoning/.test(slug) && !isEmbeddingModel,
    tools: !NO_TOOLS.test(slug) && !isEmbeddingModel,
    temperature: true,
  };
}

/** Whether its maker refuses any sampling but the model's own. The lists know that later than clients meet it, and gateways' entries say otherwise. */
export function hasOwnSampling(slug: string, providerSlug: string): boolean {
  return OWN_SAMPLING.test(slug) || (providerSlug === 'moonshot' && OWN_SAMPLING_AT_MOONSHOT.test(slug));
}

/** What others of its provider's family take and this model refuses. */
export function refusedParameters(slug: string): readonly string[] {
  return NO_PENALTIES_NO_STOP.test(slug) ? ['frequency_penalty', 'presence_penalty', 'stop'] : [];
}

export function isReasoningMandatory(slug: string): boolean {
  return REASONING_MANDATORY.test(slug);
}

/** Parameters that an endpoint takes, in OpenRouter's vocabulary, after the provider's family and the model's abilities. */
export function supportedParameters(family: ParameterFamily, facts: ModelFacts): string[] {
  if (facts.outputModalities?.includes('embeddings')) return [];
  const parameters = ['max_tokens', ...SAMPLING[family].filter((name) => facts.temperature !== false || !SAMPLING_ONLY.has(name))];
  // Of OpenAI's models those that sample on their own refuse it, too.
  if (facts.temperature !== false || family !== 'openai') parameters.push('stop');
  if (family === 'openai' || family === 'open-weights') parameters.push('max_completion_tokens');
  if (facts.tools !== false) parameters.push('tools', 'tool_choice');
  if (facts.tools !== false && family !== 'google' && family !== 'hosted') parameters.push('parallel_tool_calls');
  if (facts.tools !== false || family === 'hosted') parameters.push('response_format', 'structured_outputs');
  if (facts.reasoning) parameters.push('reasoning', 'include_reasoning', ...(family === 'openai' ? ['reasoning_effort'] : []));
  if (family === 'openai' && facts.reasoning) parameters.push('verbosity');
  return [...new Set(parameters)];
}

const SAMPLING_ONLY: ReadonlySet<string> = new Set([
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'frequency_penalty',
  'presence_penalty',
  'repetition_penalty',
  'logprobs',
  'top_logprobs',
  'logit_bias',
  'prediction',
]);

const SAMPLING = {
  openai: ['temperature', 'top_p', 'frequency_penalty', 'presence_penalty', 'logit_bias', 'logprobs', 'top_logprobs', 'seed', 'prediction'],
  'open-weights': [
    'temperature',
    'top_p',
    'top_k',
    'min_p',
    'frequency_penalty',
    'presence_penalty',
    'repetition_penalty',
    'logit_bias',
    'logprobs',
    'top_logprobs',
    'seed',
  ],
  anthropic: ['temperature', 'top_p', 'top_k'],
  google: ['temperature', 'top_p', 'top_k', 'frequency_penalty', 'presence_penalty', 'seed'],
  hosted: ['temperature', 'top_p', 'frequency_penalty', 'presence_penalty', 'seed'],
} as const;

/** Providers whose APIs take the same parameters. */
export type ParameterFamily = keyof typeof SAMPLING;
