import type { ConfigDefinition, ConfigFields, ConfigOf, Field } from './define-config.js';

/** Variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigProblem {
  readonly env: string;
  /** A sentence that never repeats a secret's value. */
  readonly message: string;
}

/** Everything that is wrong, at once. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly ConfigProblem[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((problem) => `  ${problem.env} ${problem.message}`).join('\n')}`,
    );
    this.name = 'ConfigError';
  }
}

/** The process's own environment. Nothing outside this library reads it. */
export function processEnvironment(): Environment {
  return process.env;
}

/** @throws ConfigError that names every problem of the definition. */
export function loadConfig<Definition extends ConfigDefinition<object>>(
  definition: Definition,
  environment: Environment = processEnvironment(),
): ConfigOf<Definition> {
  const { values, problems } = readConfig(definition, environment);
  if (problems.length > 0) throw new ConfigError(problems);
  return values as ConfigOf<Definition>;
}

/** Problems of several definitions together; empty when all is well. */
export function checkConfig(definitions: readonly ConfigDefinition<object>[], environment: Environment = processEnvironment()): ConfigProblem[] {
  const seen = new Set<string>();
  return definitions
    .flatMap((definition) => readConfig(definition, environment).problems)
    .filter((problem) => {
      const text = `${problem.env} ${problem.message}`;
      return !seen.has(text) && seen.add(text);
    });
}

/** Variables of ours that nobody reads: most often a typing mistake. */
export function unknownVariables(definitions: readonly ConfigDefinition<object>[], environment: Environment = processEnvironment()): string[] {
  const known = definitions.flatMap((definition) => fieldsOf(definition).map(([, field]) => namePattern(field.env)));
  return Object.keys(environment)
    .filter((name) => name.startsWith('SWITCHYARD_') && environment[name] !== '' && !known.some((pattern) => pattern.test(name)))
    .sort();
}

/** A part in angle brackets stands for any text: `SWITCHYARD_CREDENTIAL_<SLUG>`. */
function namePattern(env: string): RegExp {
  return new RegExp(`^${env.replace(/<\w+>/g, '.+')}$`);
}

export function fieldsOf(definition: ConfigDefinition<object>): [string, Field<unknown>][] {
  return Object.entries(definition.fields as ConfigFields);
}

/** What a field's variable holds, without the end of a line that many a secret was stored with; an empty one counts as unset. */
export function rawValue(field: Field<unknown>, environment: Environment): string | undefined {
  const text = environment[field.env];
  return text === undefined || text.trim() === '' ? undefined : text.replace(/[\r\n]+$/, '');
}

function readConfig(definition: ConfigDefinition<object>, environment: Environment): { values: Record<string, unknown>; problems: ConfigProblem[] } {
  const values: Record<string, unknown> = {};
  const problems: ConfigProblem[] = [];
  for (const [name, field] of fieldsOf(definition)) {
    const text = rawValue(field, environment);
    if (text === undefined && field.default !== undefined) {
      values[name] = field.default;
      continue;
    }
    const result = field.schema.safeParse(text);
    if (result.success) values[name] = result.data;
    else
      problems.push({
        env: field.env,
        message: text === undefined ? `is required: ${field.description}` : complaint(field, text, result.error.issues[0]?.message),
      });
  }
  return { values, problems };
}

/** A value as anybody may see it: a URL may hold a name and a password. */
export function shownValue(text: string): string {
  return text.replace(/:\/\/[^/?#\s]*@/g, '://<set>@');
}

function complaint(field: Field<unknown>, text: string, message = 'is not valid'): string {
  const value = field.secret ? '' : `="${shownValue(text)}" `;
  return `${value}${message}`;
}
