import { z } from 'zod';
import type { ConfigDefinition, Field } from './define-config.js';
import { fieldsOf, processEnvironment, rawValue, shownValue, type Environment } from './load-config.js';

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
      const text = defaultText(field);
      const value = text === undefined ? '' : `\`${text}\``;
      return `| \`${field.env}\` | ${typeName(field)}${field.secret ? ', secret' : ''} | ${value} | ${escapeCell(field.description)} |`;
    });
    return `## ${title}\n\n| variable | type | default | meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return [
    '<!-- Generated from the configuration schemas. Do not edit. -->',
    '# Configuration',
    '',
    'Everything is set by environment variables; an empty one counts as unset. `node services/all/dist/main.js check-config` names every problem at once, `print-config --diff` shows what differs from the defaults.',
    '',
    'A duration is a number of milliseconds, or `250ms`, `5s`, `10m`, `24h`, `7d`; a size is a number of bytes, or `64KiB`, `32MiB`, `1GiB`; true and false are also `1`, `yes`, `on` and `0`, `no`, `off`.',
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
  const fallback = defaultText(field);
  if (text === undefined) return onlyChanged ? undefined : `# ${field.env}=${fallback ?? ''}`;
  const parsed = field.schema.safeParse(text);
  if (onlyChanged && parsed.success && field.default !== undefined && showValue(parsed.data) === showValue(field.default)) return undefined;
  const shown = field.secret ? '<set>' : shownValue(text);
  return `${field.env}=${shown}${fallback === undefined || field.secret ? '' : `  # default ${fallback}`}`;
}

function typeName({ schema: stated }: Field<unknown>): string {
  const schema = stated instanceof z.ZodOptional ? (stated.unwrap() as z.ZodType) : stated;
  if (schema.description !== undefined) return schema.description;
  const kind = schema.type;
  if (kind === 'enum') {
    const options: unknown = (schema as unknown as { options?: unknown }).options;
    return Array.isArray(options) ? options.map((option) => `\`${String(option)}\``).join(' or ') : 'text';
  }
  return kind === 'number' || kind === 'bigint' ? 'number' : kind === 'boolean' ? 'true or false' : 'text';
}

function defaultNote(field: Field<unknown>): string {
  if (field.secret) return ', secret';
  const text = defaultText(field);
  return text === undefined ? '' : `, default ${text}`;
}

function defaultText(field: Field<unknown>): string | undefined {
  return field.defaultText ?? (field.default === undefined ? undefined : showValue(field.default));
}

function showValue(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value);
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
