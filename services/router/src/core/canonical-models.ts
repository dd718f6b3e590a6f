import { STATIC_VARIANTS } from '@switchyard/core';
import { parseSpelling, publicAuthor, publicName, spellingKeys } from './model-spelling.js';
import { AUTHOR_OF_NAME, SPELLING_ALIASES } from './spelling-aliases.js';

/** An id as a source spells it, resolved. */
export interface ResolvedModel {
  readonly slug: string;
  readonly variant: string;
  readonly deployment: string;
  readonly quantization: string;
  readonly date: string | undefined;
}

const VARIANTS: ReadonlySet<string> = new Set(STATIC_VARIANTS);

/** The public slugs, and every spelling's way to one of them. Slugs come from OpenRouter's own list; what that lacks is added by the same rules. */
export class CanonicalModels {
  private readonly slugs = new Set<string>();
  private readonly byKey = new Map<string, { slug: string; author: string; rank: number }[]>();

  constructor(publicIds: readonly string[]) {
    for (const id of publicIds) {
      const { base } = splitVariant(id);
      const slash = base.indexOf('/');
      if (slash <= 0 || base.startsWith('~')) continue;
      this.add(`${publicAuthor(base.slice(0, slash))}${base.slice(slash)}`);
    }
  }

  /** An id of OpenRouter's list. Those without an author are old spellings of ones that have it. */
  resolvePublicId(id: string): ResolvedModel | undefined {
    const { base, variant } = splitVariant(id);
    const slash = base.indexOf('/');
    if (base.startsWith('~') || slash <= 0) return undefined;
    const slug = `${publicAuthor(base.slice(0, slash))}${base.slice(slash)}`;
    return { slug, variant, deployment: '', quantization: 'unknown', date: undefined };
  }

  /**
   * A provider's id. `ownAuthor` is who made the models that the provider lists without an author. With `mayAdd` a name of a known author
   * that no slug stands for becomes one.
   */
  resolve(providerModelId: string, ownAuthor: string | undefined, mayAdd: boolean): ResolvedModel | undefined {
    const { base, variant } = splitVariant(providerModelId);
    const spelling = parseSpelling(base, ownAuthor !== undefined);
    const found = (slug: string): ResolvedModel => ({
      slug,
      variant,
      deployment: spelling.deployment,
      quantization: spelling.quantization,
      date: spelling.date,
    });
    const alias = SPELLING_ALIASES[base] ?? SPELLING_ALIASES[base.slice(base.lastIndexOf('/') + 1)];
    if (alias !== undefined) {
      if (!this.slugs.has(alias)) this.add(alias);
      return found(alias);
    }
    const ownName = `${ownAuthor ?? ''}/${base}`;
    if (this.slugs.has(ownName)) return { slug: ownName, variant, deployment: '', quantization: spelling.quantization, date: spelling.date };
    // A maker may sell others' models beside its own.
    const namedAuthor = AUTHOR_OF_NAME.find(([pattern]) => pattern.test(spelling.name))?.[1];
    const author = spelling.author ?? (ownAuthor === undefined ? undefined : (namedAuthor ?? ownAuthor));
    const whole = `${author ?? ''}/${base.slice(base.lastIndexOf('/') + 1)}`;
    if (this.slugs.has(whole)) return { slug: whole, variant, deployment: '', quantization: spelling.quantization, date: spelling.date };
    const slug = this.lookUp(spelling.name, author);
    if (slug !== undefined) return found(slug);
    const newAuthor = author ?? namedAuthor;
    if (!mayAdd || newAuthor === undefined || spelling.name === '') return undefined;
    const added = `${newAuthor}/${publicName(spelling.name)}`;
    this.add(added);
    return found(added);
  }

  private lookUp(name: string, author: string | undefined): string | undefined {
    for (const key of spellingKeys(name)) {
      const candidates = (this.byKey.get(key) ?? []).filter((candidate) => author === undefined || candidate.author === author);
      const rank = Math.min(...candidates.map((candidate) => candidate.rank));
      const best = candidates.filter((candidate) => candidate.rank === rank);
      if (best.length === 1) return best[0]!.slug;
    }
    return undefined;
  }

  private add(slug: string): void {
    if (this.slugs.has(slug)) return;
    this.slugs.add(slug);
    const slash = slug.indexOf('/');
    const author = slug.slice(0, slash);
    spellingKeys(slug.slice(slash + 1)).forEach((key, rank) => {
      const list = this.byKey.get(key);
      if (list) list.push({ slug, author, rank });
      else this.byKey.set(key, [{ slug, author, rank }]);
    });
  }
}

function splitVariant(id: string): { base: string; variant: string } {
  const base = id.trim().toLowerCase();
  const colon = base.lastIndexOf(':');
  const suffix = base.slice(colon + 1);
  return colon > 0 && VARIANTS.has(suffix) ? { base: base.slice(0, colon), variant: suffix } : { base, variant: '' };
}
