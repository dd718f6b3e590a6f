import { isReasoningMandatory } from './model-facts.js';

type EffortsByModel = readonly (readonly [RegExp, string])[];

/** Per model of OpenAI's the efforts that its API takes (https://platform.openai.com/docs/guides/reasoning); the first that fits. Others take none. */
const OPENAI_EFFORTS: EffortsByModel = [
  [/deep-research|gpt-5\.\d-chat/, 'medium'],
  [/\/(o\d|codex-mini)/, 'low,medium,high'],
  [/gpt-5-pro/, 'high'],
  [/gpt-5(\.1)?-codex(?!-max)/, 'low,medium,high'],
  [/gpt-5(-(?!chat)|$)/, 'minimal,low,medium,high'],
  [/gpt-5\.1(?!-codex)/, 'none,low,medium,high'],
  [/gpt-5\.\d.*pro/, 'medium,high,xhigh'],
  [/gpt-5\.\d.*codex/, 'low,medium,high,xhigh'],
  [/gpt-5\.[2-5]/, 'none,low,medium,high,xhigh'],
  [/gpt-5\.[6-9]|gpt-6-(sol|luna)/, 'none,low,medium,high,xhigh,max'],
  [/gpt-[6-9]/, 'low,medium,high,xhigh,max'],
];

/** The same of xAI's models (https://docs.x.ai/docs/guides/reasoning); the others think as they like and refuse to be told. */
const XAI_EFFORTS: EffortsByModel = [
  [/grok-3-mini/, 'low,high'],
  [/grok-4\.3/, 'none,low,medium,high'],
  [/grok-4\.5/, 'low,medium,high'],
  [/grok-(4\.[6-9]|[5-9])/, 'low,medium,high,xhigh'],
];

/** Of whom these are, each model takes other efforts, and those that are not here refuse to be told. */
const EFFORTS: Readonly<Record<string, EffortsByModel>> = {
  openai: OPENAI_EFFORTS,
  xai: XAI_EFFORTS,
  // https://console.groq.com/docs/reasoning: Qwen's models think unless they are told `none`.
  groq: [
    [/gpt-oss/, 'low,medium,high'],
    [/qwen3/, 'none'],
  ],
  // https://inference-docs.cerebras.ai/capabilities/reasoning
  cerebras: [
    [/gpt-oss/, 'low,medium,high'],
    [/gemma-4/, 'none,low,medium,high'],
    [/glm/, 'none'],
  ],
};

/** Kimi K2.5 and K2.6 have a switch, K3 knows efforts, the others think as they like (https://platform.kimi.ai/docs/guide/use-reasoning-effort). */
const KIMI_SWITCH = /kimi-k2\.[56]/;
const KIMI_EFFORTS = /kimi-k[3-9]/;

/** https://developers.openai.com/api/docs/guides/deployment-checklist */
const TOOLS_WITHOUT_REASONING = /gpt-5\.[4-9](?!.*(pro|codex))|gpt-6-(sol|luna)/;

/** How the API of an endpoint wants to be asked for reasoning, where that differs from model to model. */
export function reasoningTraits(slug: string, providerSlug: string): Record<string, string> {
  const traits: Record<string, string> = isReasoningMandatory(slug) ? { reasoning_mandatory: 'true' } : {};
  if (providerSlug === 'openai' && TOOLS_WITHOUT_REASONING.test(slug)) traits['tools_without_reasoning'] = 'true';
  if (providerSlug === 'moonshot') return { ...traits, ...kimiTraits(slug) };
  // Together switches its other models: https://docs.together.ai/docs/inference/chat/reasoning.
  if (providerSlug === 'together' && slug.includes('gpt-oss')) return { ...traits, reasoning_style: 'effort', reasoning_efforts: 'low,medium,high' };
  const efforts = EFFORTS[providerSlug];
  if (efforts) Object.assign(traits, effortsOf(slug, efforts) ?? { reasoning_style: 'none' });
  return traits;
}

function kimiTraits(slug: string): Record<string, string> {
  if (KIMI_SWITCH.test(slug)) return {};
  return KIMI_EFFORTS.test(slug) ? { reasoning_style: 'effort', reasoning_efforts: 'low,high,max' } : { reasoning_style: 'none' };
}

function effortsOf(slug: string, table: EffortsByModel): Record<string, string> | undefined {
  const efforts = table.find(([pattern]) => pattern.test(slug))?.[1];
  return efforts === undefined ? undefined : { reasoning_efforts: efforts };
}
