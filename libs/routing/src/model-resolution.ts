import { modelAuthor, parseModelName, publicModelId, type ModifierSuffix } from '@switchyard/core';
import type { RoutingModel, RoutingTable } from './routing-table.js';
import type { ModelRecord } from './table-records.js';

/** A model as a client named it, found in the table. */
export interface ModelTarget {
  readonly model: RoutingModel;
  /** Empty for the standard endpoints. */
  readonly variant: string;
  readonly modifiers: readonly ModifierSuffix[];
  /** The snapshot that was named, where none that serves it is in service: the model itself answers. */
  readonly unserved?: RoutingModel | undefined;
}

export type ModelResolution =
  | { readonly kind: 'found'; readonly target: ModelTarget }
  | { readonly kind: 'unknown'; readonly suggestions: readonly string[] }
  | { readonly kind: 'ambiguous'; readonly slugs: readonly string[] }
  | { readonly kind: 'expired'; readonly model: RoutingModel }
  | { readonly kind: 'variant_missing'; readonly model: RoutingModel; readonly variant: string };

const SUGGESTION_COUNT = 3;
const NAME_LENGTH_MAX = 200;
const REMEMBERED_NAMES_MAX = 1_000;

/**
 * Finds what a name means: slug, permaslug, alias, `~author/family-latest`, family alias or a provider's bare id where
 * only one model has it; each with known suffixes. The name of a family goes on to the successor of a model that ended. A name with the
 * day of a snapshot is that snapshot where an endpoint in service has it.
 */
export function resolveModel(table: RoutingTable, requested: string, nowMs: number): ModelResolution {
  const name = parseModelName(requested);
  const slugs = slugsOf(table, name.base);
  if (slugs.length === 0) return { kind: 'unknown', suggestions: suggestModels(table, name.base) };
  if (slugs.length > 1) return { kind: 'ambiguous', slugs };
  const named = table.models.get(slugs[0]!);
  const model = named && isExpired(named, nowMs) && isFamilyName(table, name.base) ? lastingModel(table, named, nowMs) : named;
  if (!model) return { kind: 'unknown', suggestions: suggestModels(table, name.base) };
  if (isExpired(model, nowMs)) return { kind: 'expired', model };
  const variant = name.variant ?? '';
  if (variant !== '' && !model.endpoints.some((endpoint) => endpoint.variant === variant)) return { kind: 'variant_missing', model, variant };
  const { modifiers } = name;
  const snapshot = name.base === model.slug ? undefined : snapshotNamed(table, model, name.base);
  if (!snapshot) return { kind: 'found', target: { model, variant, modifiers } };
  const isServed = snapshot.endpoints.some((endpoint) => endpoint.variant === variant && endpoint.hasCredential && !endpoint.disabled);
  return { kind: 'found', target: isServed ? { model: snapshot, variant, modifiers } : { model, variant, modifiers, unserved: snapshot } };
}

/** Whether an allow-list of model patterns admits a model, and with it its snapshots: exact names, `author/*`, `*`, names with a variant for that variant alone. */
export function admitsModel(table: RoutingTable, patterns: readonly string[], named: RoutingModel, variant: string): boolean {
  const model = named.snapshotOf ?? named;
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

/** What was suggested for a table's models, by name: whoever sends a wrong name sends it with every request. */
const suggested = new WeakMap<RoutingTable['models'], Map<string, readonly string[]>>();

/** The closest public ids by edit distance, nearest first; none when nothing is close. */
export function suggestModels(table: RoutingTable, base: string): readonly string[] {
  const wanted = base.slice(0, NAME_LENGTH_MAX).replace(/^~/, '');
  let known = suggested.get(table.models);
  if (!known) suggested.set(table.models, (known = new Map()));
  let slugs = known.get(wanted);
  if (!slugs) {
    slugs = closestModels(table, wanted);
    if (known.size >= REMEMBERED_NAMES_MAX) known.clear();
    known.set(wanted, slugs);
  }
  return slugs;
}

/** What is farther than the closest so far is given up at once. */
function closestModels(table: RoutingTable, wanted: string): string[] {
  const wantedTail = wanted.slice(wanted.lastIndexOf('/') + 1);
  const authorEdits = wanted.includes('/') ? 1 : 0;
  const closest: { slug: string; distance: number }[] = [];
  let limit = Math.max(2, Math.floor(wanted.length * 0.4));
  const rows: EditRows = [new Uint16Array(wanted.length + limit + 1), new Uint16Array(wanted.length + limit + 1)];
  for (const slug of table.models.keys()) {
    const whole = editDistance(wanted, slug, limit, rows);
    // A forgotten or mistaken author should not hide the model.
    const tail = editDistance(wantedTail, slug.slice(slug.indexOf('/') + 1), Math.min(limit, whole) - authorEdits, rows) + authorEdits;
    const distance = Math.min(whole, tail);
    if (distance > limit) continue;
    closest.push({ slug, distance });
    closest.sort((left, right) => left.distance - right.distance || (left.slug < right.slug ? -1 : 1));
    if (closest.length <= SUGGESTION_COUNT) continue;
    closest.pop();
    limit = closest[SUGGESTION_COUNT - 1]!.distance;
  }
  return closest.map((entry) => entry.slug);
}

function slugsOf(table: RoutingTable, base: string): readonly string[] {
  return slugsNamed(table, base) ?? datedSlugs(table, base);
}

function slugsNamed(table: RoutingTable, base: string): readonly string[] | undefined {
  return table.models.has(base) ? [base] : table.names.get(base);
}

const DATED = /^(.+)-(20\d{2})-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])$/;

/**
 * Any name of a model with the day of its release or of one of its snapshots after it, as its author writes it: `gpt-4o-mini-2024-07-18`. Another day is
 * another model; where the catalogue does not know the release, whoever names one has it from the author.
 */
function datedSlugs(table: RoutingTable, base: string): readonly string[] {
  const dated = takeDay(base);
  if (!dated) return [];
  const { name, day } = dated;
  return (slugsNamed(table, name) ?? []).filter((slug) => {
    const model = table.models.get(slug);
    const released = releaseOf(model?.record);
    if (released !== '' && day.startsWith(released)) return true;
    return !isFamilyName(table, name) && (released === '' || model?.snapshots.has(day) === true);
  });
}

/** The catalogue may have it as a model of its own. */
function snapshotNamed(table: RoutingTable, model: RoutingModel, base: string): RoutingModel | undefined {
  const dated = model.snapshots.size > 0 ? takeDay(base) : undefined;
  const snapshot = dated && model.snapshots.get(dated.day);
  return snapshot && (table.models.get(snapshot.slug) ?? snapshot);
}

/** `gpt-4o-2024-11-20` → `gpt-4o` and `20241120`. */
function takeDay(base: string): { readonly name: string; readonly day: string } | undefined {
  const match = DATED.exec(base);
  return match ? { name: match[1]!, day: match.slice(2).join('') } : undefined;
}

/** As far as the catalogue knows it: `20240718`, `202407` or nothing. */
function releaseOf(record: ModelRecord | undefined): string {
  return record?.permaslug.slice(record.slug.length + 1).replaceAll('-', '') ?? '';
}

/** `~author/family-latest`, or `author/family` beside it: who writes either wants whatever is newest. */
function isFamilyName(table: RoutingTable, base: string): boolean {
  return base.startsWith('~') || (table.names.has(`~${base}-latest`) && !table.models.has(base));
}

/** The first of its successors that has not ended; the model itself where all have. */
function lastingModel(table: RoutingTable, model: RoutingModel, nowMs: number): RoutingModel {
  const passed = new Set<RoutingModel>();
  let next: RoutingModel | undefined = model;
  while (next && isExpired(next, nowMs) && !passed.has(next)) {
    passed.add(next);
    next = table.models.get(next.record.successorSlug);
  }
  return next && !passed.has(next) ? next : model;
}

function isExpired(model: RoutingModel, nowMs: number): boolean {
  const expireTimeSeconds = model.record.expireTimeSeconds;
  return expireTimeSeconds !== undefined && Number(expireTimeSeconds) * 1000 <= nowMs;
}

/** Room for two rows, to be used again and again. */
type EditRows = readonly [Uint16Array, Uint16Array];

/** Levenshtein distance, given up (limit + 1) as soon as it must exceed the limit: cells farther than that from the diagonal are not looked at. */
function editDistance(left: string, right: string, limit: number, rows: EditRows): number {
  const tooFar = limit + 1;
  if (limit < 0 || Math.abs(left.length - right.length) > limit) return tooFar;
  let [previous, current] = rows;
  for (let column = 0; column <= Math.min(right.length, limit); column++) previous[column] = column;
  for (let row = 1; row <= left.length; row++) {
    const first = Math.max(1, row - limit);
    const last = Math.min(right.length, row + limit);
    current[first - 1] = first === 1 ? row : tooFar;
    let rowMinimum = current[first - 1]!;
    for (let column = first; column <= last; column++) {
      const substitution = previous[column - 1]! + (left.charCodeAt(row - 1) === right.charCodeAt(column - 1) ? 0 : 1);
      const removal = column === row + limit ? tooFar : previous[column]! + 1;
      const value = Math.min(substitution, removal, current[column - 1]! + 1);
      current[column] = value;
      if (value < rowMinimum) rowMinimum = value;
    }
    if (rowMinimum > limit) return tooFar;
    [previous, current] = [current, previous];
  }
  return Math.min(previous[right.length]!, tooFar);
}
