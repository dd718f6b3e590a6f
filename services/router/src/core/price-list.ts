/** The shape of `@pydantic/genai-prices`' data, as far as the import reads it. */
export interface PriceListProvider {
  readonly id: string;
  readonly models: readonly PriceListModel[];
}

export interface PriceListModel {
  readonly id: string;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly context_window?: number | undefined;
  /** Which ids mean it. */
  readonly match?: PriceListMatch | undefined;
  readonly prices: PriceSet | readonly ConditionalPrices[];
}

/** Of its kinds those that name ids. */
export interface PriceListMatch {
  readonly equals?: string | undefined;
  readonly or?: readonly PriceListMatch[] | undefined;
}

/** By price key, for example `input_mtok`: USD per million tokens. */
export type PriceSet = Readonly<Record<string, number | Tiers | undefined>>;

export interface Tiers {
  readonly base: number;
  readonly tiers: readonly { readonly start: number; readonly price: number }[];
}

export interface ConditionalPrices {
  readonly constraint?:
    { readonly type?: string | undefined; readonly start_date?: string; readonly start_time?: string; readonly end_time?: string } | undefined;
  readonly prices: PriceSet;
}
