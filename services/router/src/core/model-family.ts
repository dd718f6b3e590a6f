import type { ModelRecord } from '@switchyard/routing';

/** Words of a name that are no family: training, stage, deployment. */
const NO_FAMILY_WORDS: ReadonlySet<string> = new Set(['instruct', 'it', 'chat', 'preview', 'latest', 'exp', 'beta', 'free', 'base', 'hf', 'v']);
const UNSTABLE = /preview|beta|exp($|-)|-fast$/;

/** `claude-opus-4.5` → `claude-opus`, `gpt-4o-mini` → `gpt-mini`, `qwen3-max` → `qwen-max`. */
export function familyOf(slug: string): string {
  const [first = '', ...rest] = nameOf(slug).split('-');
  const words = rest.filter((word) => /^[a-z]+$/.test(word) && !NO_FAMILY_WORDS.has(word));
  return [/^[a-z]+/.exec(first)?.[0] ?? first, ...words].join('-');
}

/**
 * Names for the newest of a family: `author/family` and `~author/family-latest`, and the same for the root (`anthropic/claude`). A name
 * that is itself a model stays that model's. Answers alias → slug.
 */
export function familyAliases(models: readonly ModelRecord[], isFirstChoice: (slug: string) => boolean): Map<string, string> {
  const slugs = new Set(models.map((model) => model.slug));
  const newest = new Map<string, ModelRecord>();
  for (const model of models) {
    if (!model.outputModalities.includes('text')) continue;
    const author = model.slug.slice(0, model.slug.indexOf('/'));
    const family = model.family || familyOf(model.slug);
    const root = family.split('-', 1)[0]!;
    // `o3` and `r1` are names, `o` and `r` would be none.
    if (root.length < 3) continue;
    for (const name of new Set([family, root])) {
      const key = `${author}/${name}`;
      const former = newest.get(key);
      if (!former || isNewer(model, former, isFirstChoice)) newest.set(key, model);
    }
  }
  const aliases = new Map<string, string>();
  for (const [name, model] of newest) {
    if (!slugs.has(name)) aliases.set(name, model.slug);
    aliases.set(`~${name}-latest`, model.slug);
  }
  return aliases;
}

function isNewer(model: ModelRecord, former: ModelRecord, isFirstChoice: (slug: string) => boolean): boolean {
  const differences = [
    Number(isFirstChoice(model.slug)) - Number(isFirstChoice(former.slug)),
    Number(!UNSTABLE.test(model.slug)) - Number(!UNSTABLE.test(former.slug)),
    compareVersions(versionOf(model.slug), versionOf(former.slug)),
    Number(model.createTimeSeconds - former.createTimeSeconds),
    former.slug.length - model.slug.length,
  ];
  return (differences.find((difference) => difference !== 0) ?? 0) > 0;
}

/** Version numbers in a name; sizes (`70b`), experts (`8x7b`) and dates are none. */
export function versionOf(slug: string): number[] {
  for (const word of nameOf(slug).split('-')) {
    const match = /^[a-z]*?(\d+(?:\.\d+)*)[a-z]?$/.exec(word);
    if (match && !/^\d+(?:\.\d+)?b$/.test(word) && !/^[ae]\d+b?$/.test(word) && match[1]!.length < 4) return match[1]!.split('.').map(Number);
  }
  return [];
}

function compareVersions(left: readonly number[], right: readonly number[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function nameOf(slug: string): string {
  return slug.slice(slug.indexOf('/') + 1);
}
