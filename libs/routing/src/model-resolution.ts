import { modelAuthor, parseModelName, publicModelId, type ModifierSuffix } from '@switchyard/core';
import type { RoutingModel, RoutingTable } from './routing-table.js';

/** A model as a client named it, found in the table. */
export interface ModelTarget {
  readonly model: RoutingModel;
  /** Empty for the standard endpoints. */
  readonly variant: string;
  readonly modifiers: readonly ModifierSuffix[];
}

export type ModelResolution =
  | { readonly kind: 'found'; readonly target: ModelTarget }
  | { readonly kind: 'unknown'; readonly suggestions: readonly string[] }
  | { readonly kind: 'ambiguous'; readonly slugs: readonly string[] }
  | { readonly kind: 'expired'; readonly model: RoutingModel }
  | { readonly kind: 'variant_missing'; readonly model: RoutingModel; readonly variant: string };

const SUGGESTION_COUNT = 3;
const NAME_LENGTH_MAX = 200;

/**
 * Finds what a name means: slug, permaslug, alias, `~author/family-latest`, family alias or a provider's bare id where
 * only one model has it; each with known suffixes.
 */
export function resolveModel(table: RoutingTable, requested: string, nowMs: number): ModelResolution {
  const name = parseModelName(requested);
  const slugs = slugsOf(table, name.base);
  if (slugs.length === 0) return { kind: 'unknown', suggestions: suggestModels(table, name.base) };
  if (slugs.length > 1) return { kind: 'ambiguous', slugs };
  const model = table.models.get(slugs[0]!);
  if (!model) return { kind: 'unknown', suggestions: suggestModels(table, name.base) };
  if (isExpired(model, nowMs)) return { kind: 'expired', model };
  const variant = name.variant ?? '';
  if (variant !== '' && !model.endpoints.some((endpoint) => endpoint.variant === variant)) return { kind: 'variant_missing', model, variant };
  return { kind: 'found', target: { model, variant, modifiers: name.modifiers } };
}

/** Whether an allow-list of model patterns admits a model: exact names, `author/*`, `*`, names with a variant for that variant alone. */
export function admitsModel(table: RoutingTable, patterns: readonly string[], model: RoutingModel, variant: string): boolean {
  const publicId = publicModelId(model.slug, variant);
  return patterns.some((pattern) => {
    const text = pattern.trim().toLowerCase();
    if (text === '*' || text === publicId || text === model.slug) return true;
    if (text.endsWith('/*')) return modelAuthor(model.slug) === text.slice(0, -2);
    const name = parseModelName(text);
    if (name.variant !== undefined && name.variant !== variant) return false;
    const slugs = slugsOf(table, name.base);
    return slugs.length === 1 && slugs[0] === model.slug;
  });
}

/** The closest public ids by edit distance, nearest first; none when nothing is close. */
export function suggestModels(table: RoutingTable, base: string): string[] {
  const wanted = base.slice(0, NAME_LENGTH_MAX).replace(/^~/, '');
  const wantedTail = wanted.slice(wanted.lastIndexOf('/') + 1);
  const limit = Math.max(2, Math.floor(wanted.length * 0.4));
  const scored: { slug: string; distance: number }[] = [];
  for (const slug of table.models.keys()) {
    const whole = editDistance(wanted, slug, limit);
    // A forgotten or mistaken author should not hide the model.
    const tail = editDistance(wantedTail, slug.slice(slug.indexOf('/') + 1), limit) + (wanted.includes('/') ? 1 : 0);
    const distance = Math.min(whole, tail);
    if (distance <= limit) scored.push({ slug, distance });
  }
  scored.sort((left, right) => left.distance - right.distance || (left.slug < right.slug ? -1 : 1));
  return scored.slice(0, SUGGESTION_COUNT).map((entry) => entry.slug);
}

function slugsOf(table: RoutingTable, base: string): readonly string[] {
  if (table.models.has(base)) return [base];
  return table.names.get(base) ?? [];
}

function isExpired(model: RoutingModel, nowMs: number): boolean {
  const expireTimeSeconds = model.record.expireTimeSeconds;
  return expireTimeSeconds !== undefined && Number(expireTimeSeconds) * 1000 <= nowMs;
}

/** Levenshtein distance, given up (limit + 1) as soon as it must exceed the limit. */
function editDistance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) > limit) return limit + 1;
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    let rowMinimum = row;
    for (let column = 1; column <= right.length; column++) {
      const substitution = previous[column - 1]! + (left.charCodeAt(row - 1) === right.charCodeAt(column - 1) ? 0 : 1);
      const value = Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1);
      current.push(value);
      if (value < rowMinimum) rowMinimum = value;
    }
    if (rowMinimum > limit) return limit + 1;
    previous = current;
  }
  return previous[right.length]!;
}
