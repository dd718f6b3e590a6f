import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

const CHART = resolve(import.meta.dirname, '../../../charts/switchyard');

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface Panel {
  readonly dashboard: string;
  readonly title: string;
  readonly expressions: readonly string[];
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly datasource?: { readonly uid: string };
    readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
  }[];
}

/** Texts of the chart's rule files, by name. */
export function ruleFiles(): ReadonlyMap<string, string> {
  return textsOf('rules', '.yaml');
}

export function rules(): (AlertRule | RecordingRule)[] {
  const files = [...ruleFiles().values()].map(
    (text) => parse(text) as { readonly groups: readonly { readonly rules: readonly (AlertRule | RecordingRule)[] }[] },
  );
  return files.flatMap(({ groups }) => groups.flatMap((group) => group.rules));
}

export function alertRules(): AlertRule[] {
  return rules().filter((rule) => 'alert' in rule);
}

export function dashboards(): ReadonlyMap<string, Dashboard> {
  return new Map([...textsOf('dashboards', '.json')].map(([name, text]) => [name, JSON.parse(text) as Dashboard]));
}

/** Every panel that asks something. */
export function panels(): Panel[] {
  return [...dashboards()].flatMap(([dashboard, { panels: all }]) =>
    all.filter(({ targets }) => targets !== undefined).map(({ title, targets }) => ({ dashboard, title, expressions: targets!.map(({ expr }) => expr) })),
  );
}

function textsOf(folder: string, ending: string): ReadonlyMap<string, string> {
  const names = readdirSync(join(CHART, folder)).filter((name) => name.endsWith(ending));
  return new Map(names.sort().map((name) => [name, readFileSync(join(CHART, folder, name), 'utf8')]));
}

/** Units of Prometheus' durations, in milliseconds. */
const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * The same rules for a test that cannot wait: windows and `for` are divided by `factor`, windows at least `minWindowMs`, and thresholds are
 * replaced as `thresholds` says, in its order.
 */
export function hurried(
  text: string,
  options: { readonly factor: number; readonly minWindowMs: number; readonly thresholds?: Readonly<Record<string, string>> },
): string {
  const { factor, minWindowMs, thresholds = {} } = options;
  const scaled = (amount: string, unit: string): number => (Number(amount) * UNITS_MS[unit]!) / factor;
  let hurriedText = text
    .replace(/\[(\d+)([smhd])\]/g, (_match, amount: string, unit: string) => `[${Math.max(minWindowMs, Math.round(scaled(amount, unit)))}ms]`)
    .replace(/\bfor: (\d+)([smhd])/g, (_match, amount: string, unit: string) => `for: ${Math.max(1_000, Math.round(scaled(amount, unit)))}ms`);
  for (const [from, to] of Object.entries(thresholds)) hurriedText = hurriedText.replaceAll(from, to);
  return hurriedText;
}
