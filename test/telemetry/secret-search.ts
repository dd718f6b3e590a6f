import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { call, type Fixture } from '@switchyard/test-platform';
import { Client } from 'pg';

/** Texts by the place where they stand. */
export type TextsByPlace = Readonly<Record<string, string>>;

/** Where one of the secrets is, with what stands around it. */
export function findSecrets(secrets: readonly string[], texts: TextsByPlace): string[] {
  return Object.entries(texts).flatMap(([place, text]) =>
    secrets.filter((secret) => text.includes(secret)).map((secret) => `${place}: ${around(text, secret)}`),
  );
}

/** What the program printed, and every file of its log. */
export function logTexts({ platform }: Fixture): TextsByPlace {
  const files = filesBelow(join(platform.dataDirectory, 'logs')).filter((file) => !/kafka|postgres/.test(file));
  return { output: platform.output(), ...Object.fromEntries(files.map((file) => [file, readFileSync(file, 'utf8')])) };
}

export async function metricTexts({ platform }: Fixture): Promise<TextsByPlace> {
  const origins = Object.values(platform.healthUrls ?? {}).flat();
  return Object.fromEntries(await Promise.all([...new Set(origins)].map(async (origin) => [origin, (await call(origin, '/metrics')).text] as const)));
}

/** One row of each table that holds one of the secrets; events stand in tables, too. */
export async function rowTexts(client: Client, secrets: readonly string[]): Promise<TextsByPlace> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  );
  const patterns = secrets.map((secret) => `%${secret}%`);
  const found: Record<string, string> = {};
  for (const { name } of tables) {
    const { rows } = await client.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t WHERE t::text LIKE ANY($1) LIMIT 1`, [patterns]);
    if (rows[0]) found[name] = rows[0].row;
  }
  return found;
}

export async function withDatabase<Result>({ platform }: Fixture, use: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: platform.eventLog!.databaseUrl! });
  await client.connect();
  return use(client).finally(() => client.end());
}

function around(text: string, secret: string): string {
  const at = text.indexOf(secret);
  return text.slice(Math.max(0, at - 120), at + 60);
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true })
    .map((name) => join(folder, String(name)))
    .filter((file) => statSync(file).isFile());
}
