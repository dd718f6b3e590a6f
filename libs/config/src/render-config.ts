import type { ConfigDefinition, Field } from './define-config.js';
import { fieldsOf, processEnvironment, rawValue, type Environment } from './load-config.js';

/** The settings of one part, under a heading. */
export interface ConfigSection {
  readonly title: string;
  readonly definition: ConfigDefinition<object>;
}

/** Text for `--help`: every variable with its type, default and meaning. */
export function renderHelp(sections: readonly ConfigSection[]): string {
  return sections
    .map(({ title, definition }) => {
      const lines = fieldsOf(definition).map(([, field]) => `  ${field.env} (${typeName(field)}${defaultNote(field)})\n      ${field.description}`);
      return `${title}\n${lines.join('\n')}`;
    })
    .join('\n\n');
}

/** Markdown of the reference page. */
export function renderReference(sections: readonly ConfigSection[]): string {
  const parts = sections.map(({ title, definition }) => {
    const rows = fieldsOf(definition).map(([, field]) => {
      const value = field.default === undefined ? '' : `\`${showValue(field.default)}\``;
      return `| \`${field.env}\` | ${typeName(field)}${field.secret ? ', secret' : ''} | ${value} | ${escapeCell(field.description)} |`;
    });
    return `## ${title}\n\n| variable | type | default | meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return [
    '<!-- Generated from the configuration schemas. Do not edit. -->',
    '# Configuration',
    '',
    'Everything is set by environment variables; an empty one counts as unset. `switchyard check-config` names every problem at once, `switchyard print-config --diff` shows what differs from the defaults.',
    '',
    parts.join('\n'),
  ].join('\n');
}

/** `NAME=value` lines; with `onlyChanged` just those that are set and differ from their default. Secrets show as `<set>`. */
export function renderValues(sections: readonly ConfigSection[], options: { readonly onlyChanged: boolean; readonly environment?: Environment }): string {
  const environment = options.environment ?? processEnvironment();
  const lines = new Map<string, string>();
  for (const { definition } of sections) {
    for (const [, field] of fieldsOf(definition)) {
      const line = valueLine(field, environment, options.onlyChanged);
      if (line !== undefined) lines.set(field.env, line);
    }
  }
  return [...lines.values()].join('\n');
}

function valueLine(field: Field<unknown>, environment: Environment, onlyChanged: boolean): string | undefined {
  const text = rawValue(field, environment);
  const fallback = field.default === undefined ? undefined : showValue(field.default);
  if (text === undefined) return onlyChanged ? undefined : `# ${field.env}=${fallback ?? ''}`;
  const parsed = field.schema.safeParse(text);
  if (onlyChanged && parsed.success && field.default !== undefined && showValue(parsed.data) === fallback) return undefined;
  const shown = field.secret ? '<set>' : text;
  return `${field.env}=${shown}${fallback === undefined || field.secret ? '' : `  # default ${fallback}`}`;
}

function typeName(field: Field<unknown>): string {
  if (field.schema.description !== undefined) return field.schema.description;
  const kind = field.schema.type;
  if (kind === 'enum') {
    const options: unknown = (field.schema as unknown as { options?: unknown }).options;
    return Array.isArray(options) ? options.map((option) => `\`${String(option)}\``).join(' or ') : 'text';
  }
  return kind === 'number' || kind === 'bigint' ? 'number' : kind === 'boolean' ? 'true or false' : 'text';
}

function defaultNote(field: Field<unknown>): string {
  if (field.secret) return ', secret';
  return field.default === undefined ? '' : `, default ${showValue(field.default)}`;
}

function showValue(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
