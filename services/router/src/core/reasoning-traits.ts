import { isReasoningMandatory } from './model-facts.js';

/** Per model of OpenAI's the efforts that its API takes (https://platform.openai.com/docs/guides/reasoning); the first that fits. Others take none. */
const OPENAI_EFFORTS: readonly (readonly [RegExp, string])[] = [
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
const XAI_EFFORTS: readonly (readonly [RegExp, string])[] = [
  [/grok-3-mini/, 'low,high'],
  [/grok-4\.3/, 'none,low,medium,high'],
  [/grok-4\.5/, 'low,medium,high'],
  [/grok-(4\.[6-9]|[5-9])/, 'low,medium,high,xhigh'],
];

/** https://developers.openai.com/api/docs/guides/deployment-checklist */
const TOOLS_WITHOUT_REASONING = /gpt-5\.[4-9](?!.*(pro|codex))|gpt-6-(sol|luna)/;

/** How the API of an endpoint wants to be asked for reasoning, where that differs from model to model. */
export function reasoningTraits(slug: string, providerSlug: string): Record<string, string> {
  const traits: Record<string, string> = isReasoningMandatory(slug) ? { reasoning_mandatory: 'true' } : {};
  if (providerSlug === 'openai') {
    Object.assign(traits, effortsOf(slug, OPENAI_EFFORTS) ?? { reasoning_style: 'none' });
    if (TOOLS_WITHOUT_REASONING.test(slug)) traits['tools_without_reasoning'] = 'true';
  }
  if (providerSlug === 'xai') Object.assign(traits, effortsOf(slug, XAI_EFFORTS) ?? { reasoning_style: 'none' });
  return traits;
}

function effortsOf(slug: string, table: readonly (readonly [RegExp, string])[]): Record<string, string> | undefined {
  const efforts = table.find(([pattern]) => pattern.test(slug))?.[1];
  return efforts === undefined ? undefined : { reasoning_efforts: efforts };
}
