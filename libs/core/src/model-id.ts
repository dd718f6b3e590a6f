/** Suffixes that name endpoints of their own, listed in the catalogue. */
export const STATIC_VARIANTS = ['free', 'extended', 'thinking'] as const;
/** Suffixes that change how endpoints are chosen or what else is done; they name no endpoint. */
const MODIFIER_SUFFIXES = ['nitro', 'floor', 'exacto', 'online', 'batch'] as const;

export type StaticVariant = (typeof STATIC_VARIANTS)[number];
export type ModifierSuffix = (typeof MODIFIER_SUFFIXES)[number];

/** A model name as a client writes it, taken apart. */
export interface ModelName {
  /** Lower case, without suffixes: `author/slug`, an alias, `~author/family-latest` or a provider's bare id. */
  readonly base: string;
  readonly variant: StaticVariant | undefined;
  readonly modifiers: readonly ModifierSuffix[];
}

const STATIC: ReadonlySet<string> = new Set(STATIC_VARIANTS);
const MODIFIERS: ReadonlySet<string> = new Set(MODIFIER_SUFFIXES);

/**
 * Takes known suffixes off the end, several may be stacked (`a/b:free:online`). A colon before anything else belongs to
 * the name, as in `llama3.2:3b`.
 */
export function parseModelName(text: string): ModelName {
  let base = text.trim().toLowerCase();
  let variant: StaticVariant | undefined;
  const modifiers: ModifierSuffix[] = [];
  for (let colon = base.lastIndexOf(':'); colon > 0; colon = base.lastIndexOf(':')) {
    const suffix = base.slice(colon + 1);
    if (STATIC.has(suffix) && variant === undefined) variant = suffix as StaticVariant;
    else if (MODIFIERS.has(suffix)) modifiers.unshift(suffix as ModifierSuffix);
    else break;
    base = base.slice(0, colon);
  }
  return { base, variant, modifiers };
}

/** `author/slug` or `author/slug:variant`, the public id of what answers. */
export function publicModelId(slug: string, variant: string): string {
  return variant === '' ? slug : `${slug}:${variant}`;
}

/** The part before the first slash; undefined for a bare name. */
export function modelAuthor(slug: string): string | undefined {
  const slash = slug.indexOf('/');
  return slash > 0 ? slug.slice(0, slash).replace(/^~/, '') : undefined;
}
