import { parseModelName } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import { isAlias, LineCounter, parseDocument, visit, type Document } from 'yaml';
import { catalogFileSchema, fileEndpointId, type CatalogFile } from './catalog-file.schema.js';

/** One thing to mend, with its place: `line 12: endpoints[0].prices.prompt: …`. */
export class CatalogFileError extends SwitchyardError {
  constructor(readonly problems: readonly string[]) {
    const count = `${problems.length} problem${problems.length === 1 ? '' : 's'}`;
    super('precondition_failed', `The catalogue file has ${count}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'CatalogFileError';
  }
}

/** Prices that all endpoints share are as many; beyond, each costs more than the one before. */
const ALIAS_COUNT_MAX = 10_000;

/** @throws CatalogFileError with every problem of the file at once. */
export function parseCatalogFile(text: string, knownProviders: ReadonlySet<string>): CatalogFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, uniqueKeys: true });
  if (document.errors.length > 0) {
    throw new CatalogFileError(document.errors.map((error) => `line ${error.linePos?.[0].line ?? 1}: ${error.message.split('\n', 1)[0]!}`));
  }
  const parsed = catalogFileSchema.safeParse(valueOf(document, lineCounter) ?? {});
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => describe(document, lineCounter, issue.path, issue.message));
    throw new CatalogFileError(problems);
  }
  const problems = referenceProblems(parsed.data, knownProviders).map(({ path, message }) => describe(document, lineCounter, path, message));
  if (problems.length > 0) throw new CatalogFileError(problems);
  return parsed.data;
}

function valueOf(document: Document, lineCounter: LineCounter): unknown {
  const anchors = new Set<string>();
  const problems: string[] = [];
  visit(document, {
    Node: (_key, node) => {
      if (isAlias(node)) {
        if (!anchors.has(node.source))
          problems.push(`line ${lineCounter.linePos(node.range?.[0] ?? 0).line}: the alias *${node.source} stands for nothing above it`);
      } else if (node.anchor !== undefined) anchors.add(node.anchor);
    },
  });
  if (problems.length > 0) throw new CatalogFileError(problems);
  try {
    return document.toJS({ maxAliasCount: ALIAS_COUNT_MAX });
  } catch (error) {
    throw new CatalogFileError([`line 1: the file cannot be read, or has more than ${ALIAS_COUNT_MAX} aliases: ${(error as Error).message}`]);
  }
}

interface ReferenceProblem {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** What a schema cannot see: names that must exist and must not exist twice. */
function referenceProblems(file: CatalogFile, knownProviders: ReadonlySet<string>): ReferenceProblem[] {
  const problems = modelProblems(file);
  const own = new Set<string>();
  file.providers.forEach((provider, index) => {
    if (own.has(provider.slug)) problems.push({ path: ['providers', index, 'slug'], message: `${provider.slug} is there twice` });
    if (knownProviders.has(provider.slug) && provider.slug !== 'vllm' && provider.slug !== 'ollama') {
      problems.push({ path: ['providers', index, 'slug'], message: `${provider.slug} is a built-in provider: use provider_overrides` });
    }
    if (provider.like !== undefined && !knownProviders.has(provider.like))
      problems.push({ path: ['providers', index, 'like'], message: `${provider.like} is no built-in provider` });
    own.add(provider.slug);
  });
  const isProvider = (slug: string): boolean => own.has(slug) || knownProviders.has(slug);
  for (const slug of Object.keys(file.provider_overrides)) {
    if (!isProvider(slug)) problems.push({ path: ['provider_overrides', slug], message: 'there is no such provider' });
  }
  const ids = new Set<string>();
  file.endpoints.forEach((endpoint, index) => {
    if (!isProvider(endpoint.provider)) problems.push({ path: ['endpoints', index, 'provider'], message: `there is no provider ${endpoint.provider}` });
    const id = fileEndpointId(endpoint);
    if (ids.has(id)) problems.push({ path: ['endpoints', index], message: `${id} is there twice: give it a tag` });
    ids.add(id);
    const starts = endpoint.price_changes.map((change) => Date.parse(change.from));
    if (starts.some((start, place) => place > 0 && start <= starts[place - 1]!))
      problems.push({ path: ['endpoints', index, 'price_changes'], message: 'write the changes in the order of their dates' });
  });
  file.mirrors.forEach((mirror, index) => {
    if (!own.has(mirror.provider)) problems.push({ path: ['mirrors', index, 'provider'], message: `${mirror.provider} is none of this file's providers` });
  });
  return problems;
}

/** Models that are there twice, and aliases that no request would reach: those of two models, of a model's own name, or that end like a variant. */
function modelProblems(file: CatalogFile): ReferenceProblem[] {
  const problems: ReferenceProblem[] = [];
  const slugs = new Set<string>();
  file.models.forEach(({ slug }, index) => {
    if (slugs.has(slug)) problems.push({ path: ['models', index, 'slug'], message: `${slug} is there twice` });
    slugs.add(slug);
  });
  for (const { model } of file.endpoints) slugs.add(model);
  const holders = new Map<string, string>();
  file.models.forEach(({ slug, aliases }, index) => {
    aliases.forEach((alias, place) => {
      const name = alias.trim().toLowerCase();
      const holder = slugs.has(name) ? name : holders.get(name);
      const report = (message: string): unknown => problems.push({ path: ['models', index, 'aliases', place], message });
      if (parseModelName(name).base !== name) report(`${alias} ends in what is read as a variant`);
      else if (slugs.has(name)) report(`${alias} is the name of a model`);
      else if (holder !== undefined && holder !== slug) report(`${alias} is an alias of ${holder} already`);
      holders.set(name, slug);
    });
  });
  return problems;
}

function describe(document: Document, lineCounter: LineCounter, path: readonly PropertyKey[], message: string): string {
  const name = path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
  return `line ${lineOf(document, lineCounter, path)}: ${name === '' ? 'the file' : name}: ${message}`;
}

/** The line of the deepest part of a path that the file has. */
function lineOf(document: Document, lineCounter: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node: unknown = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    const range = typeof node === 'object' && node !== null && 'range' in node ? (node.range as readonly number[] | null | undefined) : undefined;
    if (range) return lineCounter.linePos(range[0]!).line;
  }
  return 1;
}
