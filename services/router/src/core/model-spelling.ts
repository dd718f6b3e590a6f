/**
 * One model has many spellings: `accounts/fireworks/models/llama-v3p3-70b-instruct`, `llama-3.3-70b-versatile`,
 * `@cf/meta/llama-3.3-70b-instruct-fp8-fast` and `meta-llama/Llama-3.3-70B-Instruct-Turbo` are one. A spelling is taken
 * apart into author, name and what the provider did to it (quantisation, a faster or smaller deployment), and names are
 * compared by keys in which only what tells models apart is left.
 */
export interface Spelling {
  /** Public author, when the id names one. */
  readonly author: string | undefined;
  /** Lower case, without author, date and deployment suffixes. */
  readonly name: string;
  /** `turbo`, `lite`, `fp8-fast` …: a deployment of its own beside the plain one. Empty for the plain one. */
  readonly deployment: string;
  readonly quantization: string;
  /** `2024-10-22`, when the id has one. */
  readonly date: string | undefined;
}

/** Authors as OpenRouter writes them. */
const AUTHOR_ALIASES: Readonly<Record<string, string>> = {
  meta: 'meta-llama',
  mistral: 'mistralai',
  'deepseek-ai': 'deepseek',
  'zai-org': 'z-ai',
  zai: 'z-ai',
  xai: 'x-ai',
  moonshot: 'moonshotai',
  alibaba: 'qwen',
  'zero-one-ai': '01-ai',
  wizardlm: 'microsoft',
  minimaxai: 'minimax',
};

const PATH_PREFIXES = [/^accounts\/[^/]+\/models\//, /^@(?:cf|hf)\//, /^hf:/, /^models\//, /^workers-ai\//];
const QUANTIZATIONS = /-(fp16|bf16|fp8|fp4|nvfp4|mxfp4|int8|int4|awq)(?=-|$)/;
const DEPLOYMENTS = /-(turbo|lite|fast|highspeed|us|lora|reference|basic)$/;
/** `gpt-3.5-turbo`, `gemini-2.0-flash-lite`, `qwen-turbo` are models whoever serves them. */
const MODELS_WITH_SUCH_NAMES = /^(gpt|qwen|gemini|grok|claude|mercury|nova|jamba)-/;
/** Words of a deployment that say nothing about the model. */
const NOISE = /-(versatile|instant|maas|hf|latest|preview-free|tool-use-preview|text-preview|vision-preview|specdec)$/;

/** `isMaker`: the id is the maker's own, whose `-lite` and `-fast` are models and no deployments. */
export function parseSpelling(providerModelId: string, isMaker: boolean): Spelling {
  let id = providerModelId.trim().toLowerCase();
  for (const prefix of PATH_PREFIXES) id = id.replace(prefix, '');
  const slash = id.indexOf('/');
  const author = slash > 0 ? publicAuthor(id.slice(0, slash)) : undefined;
  let name = slash > 0 ? id.slice(slash + 1) : id;
  name = name.replaceAll('_', '-').replaceAll('@', '-');
  const dated = /-(20\d{2})-?(\d{2})-?(\d{2})(?=-|$)/.exec(name);
  if (dated) name = name.replace(dated[0], '');
  const quantization = QUANTIZATIONS.exec(name)?.[1];
  if (quantization) name = name.replace(QUANTIZATIONS, '');
  let deployment = '';
  for (let match = DEPLOYMENTS.exec(name); match; match = DEPLOYMENTS.exec(name)) {
    if (isMaker || MODELS_WITH_SUCH_NAMES.test(name)) break;
    deployment = deployment === '' ? match[1]! : `${match[1]}-${deployment}`;
    name = name.slice(0, match.index);
  }
  return {
    author,
    name,
    deployment: [quantization, deployment].filter((part) => part !== undefined && part !== '').join('-'),
    quantization: quantization === 'awq' ? 'int4' : (quantization ?? 'unknown'),
    date: dated ? `${dated[1]}-${dated[2]}-${dated[3]}` : undefined,
  };
}

export function publicAuthor(author: string): string {
  const lower = author.toLowerCase();
  return AUTHOR_ALIASES[lower] ?? lower;
}

/**
 * Keys from the most to the least exact; two names mean the same model when they share one and no better one leads elsewhere.
 */
export function spellingKeys(name: string): string[] {
  const exact = exactKey(name);
  const plain = exactKey(withoutNoise(name));
  const bare = plain.replace(/(instruct|chat|it|preview|beta|exp|001|002)$/, '').replace(/(instruct|chat|it)$/, '');
  return [...new Set([exact, plain, bare])];
}

function withoutNoise(name: string): string {
  let rest = name;
  for (let match = NOISE.exec(rest); match; match = NOISE.exec(rest)) rest = rest.slice(0, match.index);
  return rest;
}

/** Separators, `v` of versions and makers' prefixes gone; `v3p1`, `3-1` and `3.1` alike. */
function exactKey(name: string): string {
  return name
    .replace(/^(?:meta|mistralai|nvidia)-(?=llama|mistral|nemotron)/, '')
    .replace(/(\d)p(\d)/g, '$1.$2')
    .replace(/^(claude(?:-[a-z]+)*)-(\d)-(\d{1,2})(?=-|$)/, '$1-$2.$3')
    .replace(/^(claude)-(\d)-(\d)-([a-z]+)/, '$1-$2.$3-$4')
    .replace(/^(grok-\d)-(\d)(?=-|$)/, '$1.$2')
    .replace(/^(mistral-medium-3)-1$/, '$1.1')
    .replace(/-v(?=\d)/g, '-')
    .replace(/^open-(?=mi)/, '')
    .replace(/^claude-opus-4-0$|^claude-opus-4\.0$/, 'claude-opus-4')
    .replace(/^claude-sonnet-4-0$|^claude-sonnet-4\.0$/, 'claude-sonnet-4')
    .replace(/[-.\s:]/g, '');
}

/** A public name from a provider's: `claude-opus-4-1` → `claude-opus-4.1`, `deepseek-v3p2` → `deepseek-v3.2`. */
export function publicName(name: string): string {
  return withoutNoise(name)
    .replace(/(\d)p(\d)/g, '$1.$2')
    .replace(/^(claude(?:-[a-z]+)*)-(\d)-(\d{1,2})(?=-|$)/, '$1-$2.$3')
    .replace(/^(claude)-(\d)-(\d)-([a-z]+)/, '$1-$2.$3-$4');
}
