import { DAY_MS, eventIdTimeMs, generationIdTimeMs } from '@switchyard/core';
import { insertOnce } from '@switchyard/db';
import { NAME_OF_END, type events, type GenerationEndName } from '@switchyard/proto';
import type { ClientBase, Pool } from 'pg';
import { storable } from './core/activity-sums.js';
import type { LogCursor } from './core/log-cursor.js';

/** A generation's event with the very text it came as: fields that this program does not know survive. */
export interface StoredGeneration {
  readonly event: events.GenerationCompleted;
  readonly json: string;
}

/** Empty texts and absent values filter nothing. */
export interface GenerationFilter {
  readonly accountId: string;
  readonly keyHash: string;
  /** Public slug or dated id. */
  readonly model: string;
  readonly providerSlug: string;
  /** Referer or title. */
  readonly app: string;
  readonly user: string;
  readonly status: string;
  readonly sessionId: string;
  /** Inclusive. */
  readonly startTimeMs: bigint | undefined;
  /** Exclusive. */
  readonly endTimeMs: bigint | undefined;
  readonly after: LogCursor | undefined;
  readonly limit: number;
}

export interface ListedGeneration {
  readonly eventId: string;
  readonly acceptTimeMs: bigint;
  readonly event: string;
}

export interface GenerationList {
  /** Newest first, no more than the filter's limit. */
  readonly found: readonly ListedGeneration[];
  /** The last row that was looked at; undefined when none is left. */
  readonly lookedAt: LogCursor | undefined;
}

/** Rows that one statement looks at: it ends in time however many an account has. */
const STEP_SIZE = 1_000;
const HOUR_MS = 3_600_000;

const insertGenerations = insertOnce<StoredGeneration>({
  table: 'generation',
  columns: {
    event_id: ['uuid', ({ event }) => event.eventId],
    generation_id: ['text', ({ event }) => event.generationId],
    account_id: ['text', ({ event }) => event.accountId],
    workspace_id: ['text', ({ event }) => event.workspaceId],
    key_hash: ['text', ({ event }) => event.keyHash],
    accept_time_ms: ['bigint', ({ event }) => event.acceptTimeMs],
    status: ['text', ({ event }) => requireEndName(event)],
    model: ['text', ({ event }) => event.model],
    model_permaslug: ['text', ({ event }) => event.modelPermaslug],
    provider_slug: ['text', ({ event }) => event.providerSlug],
    http_referer: ['text', ({ event }) => storable(event.httpReferer)],
    app_title: ['text', ({ event }) => storable(event.appTitle)],
    external_user: ['text', ({ event }) => storable(event.user)],
    session_id: ['text', ({ event }) => storable(event.sessionId)],
    body: ['text', ({ json }) => json],
  },
  key: 'event_id',
  identity: ['event_id', ({ event }) => canonicalEventId(event.eventId)],
});

export class GenerationStore {
  constructor(private readonly pool: Pool) {}

  /** Those that were not there yet. */
  insert(client: ClientBase, generations: readonly StoredGeneration[], mayBeKnown: boolean): Promise<readonly StoredGeneration[]> {
    return insertGenerations(client, generations, mayBeKnown);
  }

  async find(accountId: string, generationId: string): Promise<string | undefined> {
    const timeMs = generationIdTimeMs(generationId);
    // The event is nearly always made within a day of the request, which spares looking into every partition.
    const near =
      timeMs === undefined ? undefined : await this.findBetween(accountId, generationId, eventIdFloor(timeMs - HOUR_MS), eventIdFloor(timeMs + DAY_MS));
    return near ?? (await this.findBetween(accountId, generationId, eventIdFloor(0), 'ffffffff-ffff-ffff-ffff-ffffffffffff'));
  }

  private async findBetween(accountId: string, generationId: string, from: string, to: string): Promise<string | undefined> {
    const { rows } = await this.pool.query<{ event: string }>({
      name: 'find_generation',
      text: 'SELECT coalesce(body, event::text) AS event FROM generation WHERE generation_id = $1 AND account_id = $2 AND event_id >= $3 AND event_id < $4 LIMIT 1',
      values: [generationId, accountId, from, to],
    });
    return rows[0]?.event;
  }

  /**
   * Walks the account's log from its newest row on. Keys, users and most else that is filtered by have no index, which every request would pay for: rows that
   * pass may be few and far between.
   *
   * @param mayGoOn asked before each further step; where it says no, fewer are found than there are
   */
  async list(filter: GenerationFilter, mayGoOn: () => boolean): Promise<GenerationList> {
    const found: ListedGeneration[] = [];
    let after = filter.after;
    for (let stepSize = filter.limit; ; stepSize = STEP_SIZE) {
      const rows = await this.lookAt(filter, after, stepSize);
      found.push(...rows.filter(isWanted).slice(0, filter.limit - found.length));
      after = rows.at(-1);
      if (rows.length < stepSize) return { found, lookedAt: undefined };
      if (found.length === filter.limit || !mayGoOn()) return { found, lookedAt: after };
    }
  }

  /** The log's next rows, with the events of those that pass. */
  private async lookAt(filter: GenerationFilter, after: LogCursor | undefined, stepSize: number): Promise<LookedAt[]> {
    const values: unknown[] = [];
    const { rows } = await this.pool.query<{ event_id: string; accept_time_ms: bigint; event: string | null }>(
      `SELECT event_id, accept_time_ms, CASE WHEN ${wantedRows(filter, values)} THEN coalesce(body, event::text) END AS event
         FROM generation WHERE ${rangeOfRows(filter, after, values)} ORDER BY accept_time_ms DESC, event_id DESC LIMIT ${stepSize}`,
      values,
    );
    return rows.map((row) => ({ eventId: row.event_id, acceptTimeMs: row.accept_time_ms, event: row.event }));
  }
}

type LookedAt = Omit<ListedGeneration, 'event'> & { readonly event: string | null };

function isWanted(row: LookedAt): row is ListedGeneration {
  return row.event !== null;
}

/** What an index leads to. */
function rangeOfRows(filter: GenerationFilter, after: LogCursor | undefined, values: unknown[]): string {
  const { add, text } = conditions(values);
  add((parameter) => `account_id = ${parameter}`, filter.accountId);
  if (filter.sessionId !== '') add((parameter) => `session_id = ${parameter} AND session_id <> ''`, storable(filter.sessionId));
  if (filter.startTimeMs !== undefined) {
    add((parameter) => `accept_time_ms >= ${parameter}`, filter.startTimeMs);
    // An event is never older than its request (clocks differ by less): older partitions need no look.
    add((parameter) => `event_id >= ${parameter}`, eventIdFloor(Number(filter.startTimeMs) - HOUR_MS));
  }
  if (filter.endTimeMs !== undefined) add((parameter) => `accept_time_ms < ${parameter}`, filter.endTimeMs);
  if (after) add((time, id) => `(accept_time_ms, event_id) < (${time}, ${id}::uuid)`, after.acceptTimeMs, after.eventId);
  return text();
}

/** What is looked for among them. */
function wantedRows(filter: GenerationFilter, values: unknown[]): string {
  const { add, text } = conditions(values);
  if (filter.keyHash !== '') add((parameter) => `key_hash = ${parameter}`, filter.keyHash);
  if (filter.model !== '') add((parameter) => `(model = ${parameter} OR model_permaslug = ${parameter})`, filter.model);
  if (filter.providerSlug !== '') add((parameter) => `provider_slug = ${parameter}`, filter.providerSlug);
  if (filter.app !== '') add((parameter) => `(http_referer = ${parameter} OR app_title = ${parameter})`, storable(filter.app));
  if (filter.user !== '') add((parameter) => `external_user = ${parameter}`, storable(filter.user));
  if (filter.status !== '') add((parameter) => `status = ${parameter}`, filter.status);
  return text();
}

/** Conditions of one statement, whose parameters follow those that it has already. */
function conditions(values: unknown[]) {
  const texts: string[] = [];
  return {
    add: (condition: (...parameters: string[]) => string, ...given: unknown[]): void => {
      texts.push(condition(...given.map((value) => `$${values.push(value)}`)));
    },
    text: (): string => (texts.length === 0 ? 'true' : texts.join(' AND ')),
  };
}

/** The smallest UUID whose first 48 bits are this time. */
export function eventIdFloor(timeMs: number): string {
  const hex = Math.max(0, Math.floor(timeMs)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
}

/** @throws TypeError for an event without one of the four ends */
export function requireEndName({ end }: events.GenerationCompleted): GenerationEndName {
  const name = NAME_OF_END[end];
  if (!name) throw new TypeError('A completed generation names one of the four ends.');
  return name;
}

/** @throws TypeError for ids that carry no time, by which rows are partitioned */
export function requireTimedId(eventId: string): void {
  if (eventIdTimeMs(eventId) === undefined) throw new TypeError('An event id must be a UUIDv7.');
}

/** As Postgres tells it: lower case, with dashes. */
export function canonicalEventId(eventId: string): string {
  const lower = eventId.toLowerCase();
  return lower.length === 36 ? lower : lower.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
