/** Where a provider differs from its dialect. Plain data: a provider's manifest states it and cites the provider's page. */
export interface DialectManifest {
  readonly dialect: ProviderDialectName;
  readonly openaiChat?: OpenaiChatDeviations | undefined;
}

export const CLIENT_DIALECTS = ['openai-chat'] as const;
export type ClientDialectName = (typeof CLIENT_DIALECTS)[number];

export const PROVIDER_DIALECTS = ['openai-chat', 'anthropic-messages', 'gemini'] as const;
export type ProviderDialectName = (typeof PROVIDER_DIALECTS)[number];

/** In these no request goes without an output cap: whoever reserves money must name one. */
export const DEMANDS_OUTPUT_CAP: Readonly<Record<ProviderDialectName, boolean>> = { 'openai-chat': false, 'anthropic-messages': true, gemini: false };

/**
 * How a request for reasoning is written.
 * - `effort`: `reasoning_effort` (OpenAI, xAI, Groq, Cerebras …)
 * - `openrouter`: the `reasoning` object as it is
 * - `enable-thinking`: `enable_thinking` and `thinking_budget` (Qwen, SiliconFlow)
 * - `thinking-type`: `thinking: {type: enabled|disabled}` (Moonshot, DeepSeek, Z.AI), and `reasoning_effort` where the manifest states efforts
 * - `chat-template`: `chat_template_kwargs: {enable_thinking | thinking}` (vLLM, SGLang, NVIDIA NIM)
 * - `reasoning-enabled`: `reasoning: {enabled}` (Together's hybrid models)
 * - `think`: `think: boolean | effort` (Ollama)
 * - `none`: cannot be asked for; a request for it becomes a warning
 */
export type ReasoningStyle = 'effort' | 'openrouter' | 'enable-thinking' | 'thinking-type' | 'chat-template' | 'reasoning-enabled' | 'think' | 'none';

/** Every field absent = as OpenAI itself documents it. */
export interface OpenaiChatDeviations {
  /** Default `max_tokens`, which nearly all read; OpenAI itself wants `max_completion_tokens`. */
  readonly maxTokensField?: 'max_tokens' | 'max_completion_tokens' | undefined;
  /** Parameters the provider answers with an error; they are dropped and reported. */
  readonly refusedParameters?: readonly string[] | undefined;
  /** Our name → the provider's, for example `seed` → `random_seed`. */
  readonly renamedParameters?: Readonly<Record<string, string>> | undefined;
  /** Constants sent with every chat request unless the client set the field. */
  readonly addedParameters?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** Default `effort`; an endpoint's trait `reasoning_style` overrides. */
  readonly reasoningStyle?: ReasoningStyle | undefined;
  /** Efforts the provider takes; others move to the nearest. Default: all but `xhigh` and `max`. Trait `reasoning_efforts` (comma-separated) overrides. */
  readonly reasoningEfforts?: readonly string[] | undefined;
  /** How reasoning of earlier assistant messages is given back. Default `drop`. */
  readonly reasoningHistory?: 'drop' | 'reasoning_content' | 'reasoning' | 'reasoning_details' | 'thinking-parts' | undefined;
  /**
   * Thinks unless `thinking.type` is `disabled`, and refuses a request whose tool choice forces a call, or whose assistant messages with tool
   * calls have no thoughts, while it does: such a request switches thinking off, with a warning.
   */
  readonly strictThinking?: boolean | undefined;
  /** `<think>…</think>` in the content is reasoning. */
  readonly thinkTags?: boolean | undefined;
  /** How usage is asked for in streams. Default `include-usage`; `always` = it comes unasked and the option is refused. */
  readonly streamUsage?: 'include-usage' | 'always' | undefined;
  /** Default `system`: send `developer` messages as `system`. */
  readonly developerRole?: 'keep' | 'system' | undefined;
  /** Default `prefix`: names go in front of the text. */
  readonly nameField?: 'keep' | 'prefix' | undefined;
  /** Default `url`; `base64` = the provider does not fetch pictures. */
  readonly imageSource?: 'url' | 'base64' | undefined;
  /** Default `json_schema`; `json_object` = a schema is sent as plain JSON mode with the schema in a system message. */
  readonly structuredOutput?: 'json_schema' | 'json_object' | undefined;
  /** How a trailing assistant message is marked as one to continue. Default: not at all. */
  readonly prefill?: 'plain' | 'prefix' | 'partial' | 'continue-final-message' | undefined;
  /** Default `strip`; `keep` = takes Anthropic-style `cache_control`, `openai-breakpoint` = `prompt_cache_breakpoint`. */
  readonly cacheControl?: 'strip' | 'keep' | 'openai-breakpoint' | undefined;
  /** Characters of a tool call id; others are replaced by a stable hash. */
  readonly toolCallIds?: 'any' | 'nine-alphanumerics' | 'up-to-forty' | undefined;
  /** `total_tokens` counts reasoning beside `completion_tokens` (xAI). Found out from the sums when absent. */
  readonly reasoningBesideCompletion?: boolean | undefined;
  /** Usage states what the request cost: `cost` in USD, or `cost_in_usd_ticks`, of which 10,000,000,000 are one. Default: it does not. */
  readonly statedCost?: 'usd' | 'usd-ticks' | undefined;
  /** Error `code`/`type` of the provider → key of the error table, before the general mapping. */
  readonly errorCodes?: Readonly<Record<string, string>> | undefined;
}

/** What a translation must know of the endpoint; the like-named fields of `worker.AttemptEndpoint`. */
export interface EndpointFacts {
  readonly providerModelId: string;
  /** OpenRouter's parameter names. Empty: everything is passed. */
  readonly supportedParameters: readonly string[];
  readonly maxCompletionTokens?: number | undefined;
  /** `reasoning_style`, `reasoning_mandatory`, `reasoning_efforts`, `tools_without_reasoning`, `structured_output`, `service_tier` (of an endpoint that is not of the default one) … */
  readonly traits: Readonly<Record<string, string>>;
  readonly inputModalities: readonly string[];
}
