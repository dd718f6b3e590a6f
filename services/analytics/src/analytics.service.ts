import { DAY_MS, type Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import { decodeGenerationCompleted } from '@switchyard/events';
import { GENERATION_ENDS, type analytics, type AnalyticsPort, type CallOptions } from '@switchyard/proto';
import type { ActivityStore } from './activity.store.js';
import { decodeCursor, encodeCursor } from './core/log-cursor.js';
import type { GenerationStore, ListedGeneration } from './generation.store.js';
import type { StatisticsFeed } from './statistics-feed.js';

const MAX_PAGE = 1_000;
const DEFAULT_PAGE = 50;
/** Characters of events in one answer: clients attach as much as they may to each. */
const MAX_PAGE_LENGTH = 4_000_000;
/** Then a page is handed over as it is, before its reader gives up: rows that pass a filter may be far apart. */
const MAX_WALK_MS = 2_000;
const ACTIVITY_DAYS = 30;
const CLIENT_TEXT: ReadonlySet<string> = new Set(['user', 'app', 'sessionId']);

export interface AnalyticsServiceOptions {
  readonly generations: GenerationStore;
  readonly activity: ActivityStore;
  readonly feed: StatisticsFeed;
  readonly clock: Clock;
}

/** The analytics port. Every answer is the account's own. */
export class AnalyticsService implements AnalyticsPort {
  constructor(private readonly options: AnalyticsServiceOptions) {}

  /** @throws SwitchyardError `invalid_request`, `not_found` */
  async getGeneration(request: analytics.GetGenerationRequest): Promise<analytics.GetGenerationResponse> {
    requireNames(request);
    const json = await this.options.generations.find(request.accountId, request.generationId);
    if (json === undefined) throw new SwitchyardError('not_found', `Generation ${request.generationId} not found`);
    return { generation: decodeGenerationCompleted(json), upstreamCostPico: 0n };
  }

  /** @throws SwitchyardError `invalid_request` */
  async listGenerations(request: analytics.ListGenerationsRequest): Promise<analytics.ListGenerationsResponse> {
    requireNames(request);
    if (request.status !== '' && !(GENERATION_ENDS as readonly string[]).includes(request.status)) {
      throw new SwitchyardError('invalid_request', `status: expected one of ${GENERATION_ENDS.join(', ')}`, { metadata: { param: 'status' } });
    }
    const limit = Math.min(MAX_PAGE, request.limit > 0 ? request.limit : DEFAULT_PAGE);
    const { cursor, limit: _, startTimeMs, endTimeMs, ...filter } = request;
    const after = cursor === '' ? undefined : decodeCursor(cursor);
    const walkEndMs = this.options.clock.monotonicMs() + MAX_WALK_MS;
    const { found, lookedAt } = await this.options.generations.list(
      { ...filter, startTimeMs, endTimeMs, after, limit: limit + 1 },
      () => this.options.clock.monotonicMs() < walkEndMs,
    );
    const page = withinPage(found.slice(0, limit));
    const last = found.length > page.length ? page.at(-1) : lookedAt;
    return { generations: page.map((row) => decodeGenerationCompleted(row.event)), nextCursor: last ? encodeCursor(last) : '' };
  }

  /** @throws SwitchyardError `invalid_request` */
  async listActivity(request: analytics.ListActivityRequest, options?: CallOptions): Promise<analytics.ListActivityResponse> {
    requireNames(request);
    if (request.date !== '' && !isDay(request.date)) {
      throw new SwitchyardError('invalid_request', 'date: expected YYYY-MM-DD', { metadata: { param: 'date' } });
    }
    const todayMs = Math.floor(this.options.clock.nowMs() / DAY_MS) * DAY_MS;
    const filter = {
      accountId: request.accountId,
      firstDay: request.date === '' ? dayOf(todayMs - ACTIVITY_DAYS * DAY_MS) : request.date,
      lastDay: request.date === '' ? dayOf(todayMs - DAY_MS) : request.date,
      keyHash: request.keyHash,
      user: request.user,
      workspaceId: request.workspaceId,
      isGroupedByWorkspace: request.groupByWorkspace,
    };
    return { rows: await this.options.activity.list(filter, options?.signal) };
  }

  watchEndpointStatistics(_request: analytics.WatchEndpointStatisticsRequest, options?: CallOptions): AsyncIterable<analytics.WatchEndpointStatisticsResponse> {
    return this.options.feed.watch(options?.signal);
  }
}

/** As many as one answer should carry. */
function withinPage(found: readonly ListedGeneration[]): readonly ListedGeneration[] {
  let length = 0;
  const end = found.findIndex(({ event }) => (length += event.length) > MAX_PAGE_LENGTH);
  return end < 0 ? found : found.slice(0, Math.max(1, end));
}

/** Names that the platform gave hold no NUL, which Postgres cannot compare with. What clients wrote may: it is stored without. */
function requireNames(request: object): void {
  for (const [field, value] of Object.entries(request)) {
    if (CLIENT_TEXT.has(field) || typeof value !== 'string' || !value.includes('\u0000')) continue;
    throw new SwitchyardError('invalid_request', `${field}: must not contain the character NUL`, { metadata: { param: field } });
  }
}

/** Whether it is `YYYY-MM-DD` and in the calendar, which has no year 0. */
function isDay(text: string): boolean {
  const timeMs = Date.parse(text);
  return /^(?!0000)\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(timeMs) && dayOf(timeMs) === text;
}

function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}
