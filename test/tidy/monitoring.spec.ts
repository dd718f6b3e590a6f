import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { alertRules, dashboards, panels, rules } from '@switchyard/test-platform';
import { readText, repositoryFiles, repositoryRoot } from './repository-files.js';

/** Of Prometheus itself. */
const BUILT_IN = new Set(['up', 'ALERTS']);
const KEYWORDS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'and', 'or', 'unless', 'bool', 'offset', 'inf', 'nan']);

/** Names of metrics that an expression asks for: what is left of it without texts, labels and functions. */
function metricsIn(expression: string): string[] {
  const bare = expression
    .replace(/"[^"]*"|'[^']*'/g, '')
    .replace(/\{[^}]*\}/g, ' ')
    .replace(/\[[^\]]*\]/g, ' ')
    .replace(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ');
  return [...bare.matchAll(/[a-zA-Z_:][\w:]*(?!\w*\s*\()/g)].map(([name]) => name).filter((name) => !KEYWORDS.has(name.toLowerCase()) && !/^e\d+$/.test(name));
}

const documented = new Map([...readText('docs/reference/metrics.md').matchAll(/^\| `(\w+)` +\| (\w+)/gm)].map(([, name, kind]) => [name!, kind!]));
const recorded = new Set(rules().flatMap((rule) => ('record' in rule ? [rule.record] : [])));

function isKnown(name: string): boolean {
  if (BUILT_IN.has(name) || recorded.has(name)) return true;
  const part = /^(\w+)_(bucket|sum|count)$/.exec(name);
  if (part && documented.get(part[1]!) === 'histogram') return true;
  return documented.has(name) && documented.get(name) !== 'histogram';
}

describe('dashboards and alert rules', () => {
  const asked = [
    ...panels().flatMap(({ dashboard, title, expressions }) => expressions.map((expression) => ({ place: `${dashboard}: ${title}`, expression }))),
    ...rules().map((rule) => ({ place: 'alert' in rule ? rule.alert : rule.record, expression: rule.expr })),
    ...[...dashboards()].flatMap(([dashboard, { templating }]) =>
      templating.list.flatMap(({ name, definition }) =>
        definition === undefined ? [] : [{ place: `${dashboard}: $${name}`, expression: definition.replace(/^label_values\((.*), \w+\)$/, '$1') }],
      ),
    ),
  ];

  it('ask for no metric that the reference does not have', () => {
    expect(documented.size).toBeGreaterThan(60);
    const unknown = asked.flatMap(({ place, expression }) =>
      metricsIn(expression)
        .filter((name) => !isKnown(name))
        .map((name) => `${place}: ${name}`),
    );
    expect(unknown).toEqual([]);
    for (const { place, expression } of asked) expect([place, metricsIn(expression)]).not.toEqual([place, []]);
  });

  it('would be seen to ask for one', () => {
    expect(metricsIn('sum by (le) (rate(nothing_seconds_bucket{a="b"}[5m])) / on (key) other_total > 1e3 and vector(0)')).toEqual([
      'nothing_seconds_bucket',
      'other_total',
    ]);
    expect(['nothing_seconds_bucket', 'switchyard_first_token_seconds', 'switchyard_generations', 'switchyard:nothing'].filter(isKnown)).toEqual([]);
  });

  it('every rule that is recorded is used', () => {
    const used = new Set(asked.flatMap(({ expression }) => metricsIn(expression)));
    expect([...recorded].filter((name) => !used.has(name))).toEqual([]);
  });
});

describe('dashboards', () => {
  it.each([...dashboards()])('%s can be imported: its own id, panels apart, and the data source a variable', (_name, { uid, templating, panels: all }) => {
    expect([...dashboards().values()].filter((other) => other.uid === uid)).toHaveLength(1);
    expect(templating.list[0]).toMatchObject({ name: 'datasource', type: 'datasource' });
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const sources = all.flatMap(({ datasource, targets = [] }) => [datasource?.uid, ...targets.map((target) => target.datasource.uid)]);
    expect(new Set(sources.filter((source) => source !== undefined))).toEqual(new Set(['${datasource}']));
  });
});

describe('alerts', () => {
  const names = alertRules().map(({ alert }) => alert);

  it('have names of their own', () => {
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(alertRules().map((rule) => [rule.alert, rule] as const))(
    '%s says how bad it is, what it means and where its runbook is',
    (alert, { labels, annotations }) => {
      expect(['page', 'ticket']).toContain(labels['severity']);
      expect(annotations['summary']).toMatch(/\.$/);
      expect(annotations['description']).toMatch(/\.$/);
      expect(annotations['runbook']).toBe(`docs/runbooks/${alert}.md`);
      const page = readText(annotations['runbook']!);
      expect(page).toMatch(new RegExp(`^# ${alert}\\n`));
      for (const heading of ['## What it means', '## What clients see', '## What to do', '## When it is over']) expect(page).toContain(`\n${heading}\n`);
    },
  );

  it('no runbook is left of an alert that is gone', () => {
    const pages = repositoryFiles('docs/runbooks').filter((file) => /\/Switchyard\w+\.md$/.test(file));
    expect(pages.map((file) => file.replace(/^.*\/|\.md$/g, '')).sort()).toEqual([...names].sort());
    expect(existsSync(join(repositoryRoot, 'docs/runbooks/README.md'))).toBe(true);
  });
});
