import type { z } from 'zod';

/** One setting: an environment variable, its type and what people need to know about it. */
export interface Field<Value> {
  /** With a part in angle brackets it describes many variables, which whoever defines it reads themselves. */
  readonly env: string;
  readonly schema: z.ZodType<Value>;
  /** Used when the variable is unset or empty. A field without one is required, unless its schema takes `undefined`. */
  readonly default?: Value | undefined;
  /** How one would write the default, where that is not what its value looks like. */
  readonly defaultText?: string | undefined;
  /** One or two sentences for `--help` and the reference page; units and bounds included. */
  readonly description: string;
  /** Never printed. */
  readonly secret: boolean;
}

export interface FieldOptions<Value> extends Omit<Field<Value>, 'secret' | 'default'> {
  // The schema alone says the type, so that `default: 'a'` of an enum is not read as any text.
  readonly default?: NoInfer<Value>;
  readonly secret?: boolean;
}

export type ConfigFields = Readonly<Record<string, Field<unknown>>>;

export interface ConfigDefinition<Fields = ConfigFields> {
  readonly fields: Fields;
}

/** The plain values of a definition: `ConfigOf<typeof billingConfig>` → `{ keyGraceMs: number }`. */
export type ConfigOf<Definition> =
  Definition extends ConfigDefinition<infer Fields> ? { readonly [Name in keyof Fields]: Fields[Name] extends Field<infer Value> ? Value : never } : never;

/** Value is what the schema puts out, so `z.string().optional()` gives `string | undefined`. */
export function field<Value>(options: FieldOptions<Value>): Field<Value> {
  return { ...options, secret: options.secret ?? false };
}

export function defineConfig<const Fields extends ConfigFields>(fields: Fields): ConfigDefinition<Fields> {
  return { fields };
}
