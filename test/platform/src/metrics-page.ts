import type { StartedPlatform } from './start-platform.js';

/** One sample of a metrics page. */
export interface MetricSample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

/** Samples of every process of a platform; each process is asked once. */
export async function scrape(platform: Pick<StartedPlatform, 'healthUrls' | 'baseUrl'>): Promise<MetricSample[]> {
  const origins = new Set(Object.values(platform.healthUrls ?? { all: [platform.baseUrl] }).flatMap((urls) => urls.map((url) => new URL(url).origin)));
  const pages = await Promise.all([...origins].map(async (origin) => (await fetch(`${origin}/metrics`)).text()));
  return pages.flatMap(samplesOf);
}

export function samplesOf(page: string): MetricSample[] {
  const samples: MetricSample[] = [];
  for (const line of page.split('\n')) {
    const match = /^([a-z_:][\w:]*)(\{.*?\})? ([^ ]+)/i.exec(line);
    if (match && !line.startsWith('#')) samples.push({ name: match[1]!, labels: match[2] ?? '', value: Number(match[3]) });
  }
  return samples;
}

/** The largest of one name; undefined when nobody has it. */
export function largest(samples: readonly MetricSample[], name: string): number | undefined {
  const values = samples.filter((sample) => sample.name === name).map(({ value }) => value);
  return values.length === 0 ? undefined : Math.max(...values);
}

export function sumOf(samples: readonly MetricSample[], name: string, labelPart = ''): number {
  return samples.filter((sample) => sample.name === name && sample.labels.includes(labelPart)).reduce((sum, { value }) => sum + value, 0);
}
