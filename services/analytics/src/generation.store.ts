import { eventIdTimeMs, generationIdTimeMs } from '@switchyard/core';
import { insertOnce } from '@switchyard/db';
import type { events } from '@switchyard/proto';
import type { ClientBase, Pool } from 'pg';
import { storable } from './core/activity-sums.js';
import { statusOf } from './core/generation-status.js';
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

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const insertGenerations = insertOnce<StoredGeneration>({
  table: 'generation',
  columns: {
    event_id: ['uuid', ({ event }) => event.eventId],
    generation_id: ['text', ({ event }) => event.generationId],
    account_id: ['text', ({ event }) => event.accountId],
    workspace_id: ['text', ({ event }) => event.workspaceId],
    key_hash: ['text', ({ event }) => event.keyHash],
    accept_time_ms: ['bigint', ({ event }) => event.acceptTimeMs],
    status: ['text', ({ event }) => statusOf(event)],
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

  /** Newest first. */
  async list(filter: GenerationFilter): Promise<{ eventId: string; acceptTimeMs: bigint; event: string }[]> {
    const { conditions, values } = conditionsOf(filter);
    values.push(filter.limit);
    const { rows } = await this.pool.query<{ event_id: string; accept_time_ms: bigint; event: string }>(
      `SELECT event_id, accept_time_ms, coalesce(body, event::text) AS event FROM generation WHERE ${conditions.join(' AND ')} ORDER BY accept_time_ms DESC, event_id DESC LIMIT $${values.length}`,
      values,
    );
    return rows.map((row) => ({ eventId: row.event_id, acceptTimeMs: row.accept_time_ms, event: row.event }));
  }
}

function conditionsOf(filter: GenerationFilter): { conditions: string[]; values: unknown[] } {
  const values: unknown[] = [filter.accountId];
  const conditions = ['account_id = $1'];
  const add = (condition: (parameter: string) => string, value: unknown): void => {
    values.push(value);
    conditions.push(condition(`$${values.length}`));
  };
  if (filter.keyHash !== '') add((parameter) => `key_hash = ${parameter}`, filter.keyHash);
  if (filter.model !== '') add((parameter) => `(model = ${parameter} OR model_permaslug = ${parameter})`, filter.model);
  if (filter.providerSlug !== '') add((parameter) => `provider_slug = ${parameter}`, filter.providerSlug);
  if (filter.app !== '') add((parameter) => `(http_referer = ${parameter} OR app_title = ${parameter})`, storable(filter.app));
  if (filter.user !== '') add((parameter) => `external_user = ${parameter}`, storable(filter.user));
  if (filter.status !== '') add((parameter) => `status = ${parameter}`, filter.status);
  if (filter.sessionId !== '') add((parameter) => `session_id = ${parameter}`, storable(filter.sessionId));
  if (filter.startTimeMs !== undefined) {
    add((parameter) => `accept_time_ms >= ${parameter}`, filter.startTimeMs);
    // An event is never older than its request (clocks differ by less): older partitions need no look.
    add((parameter) => `event_id >= ${parameter}`, eventIdFloor(Number(filter.startTimeMs) - HOUR_MS));
  }
  if (filter.endTimeMs !== undefined) add((parameter) => `accept_time_ms < ${parameter}`, filter.endTimeMs);
  if (filter.after) {
    values.push(filter.after.acceptTimeMs, filter.after.eventId);
    conditions.push(`(accept_time_ms, event_id) < ($${values.length - 1}, $${values.length}::uuid)`);
  }
  return { conditions, values };
}

/** The smallest UUID whose first 48 bits are this time. */
export function eventIdFloor(timeMs: number): string {
  const hex = Math.max(0, Math.floor(timeMs)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-0000-0000-000000000000`;
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
