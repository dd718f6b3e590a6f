import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import {
  decodeAttemptCompleted,
  decodeGenerationCompleted,
  encodeGenerationCompleted,
  type EventRecord,
  type Spool,
  type SpoolRecord,
} from '@switchyard/events';
import { common, events } from '@switchyard/proto';
import type { PlanCandidate } from '@switchyard/routing';
import { manualClock, recordingTracing, seededRandom } from '@switchyard/testing';
import type { AcceptedGeneration } from './core/abandoned-generation.js';
import { readAttribution } from './core/attribution.js';
import type { AttemptRecord, Generation } from './core/generation.js';
import type { Settlement } from './core/settlement.js';
import { GenerationJournal, ingressSpoolRecovery } from './generation-journal.js';
import { beginRequestTrace, type RequestTrace } from './request-trace.js';

const accepted: AcceptedGeneration = {
  generationId: 'gen-1767225600-00000000000000000000',
  eventId: '019b7600-0000-7000-8000-000000000001',
  acceptTimeMs: 1_767_225_600_000,
  accountId: 'account',
  workspaceId: 'workspace',
  keyHash: 'hash',
  apiType: 'chat',
  streamed: true,
  modelRequested: 'acme/writer',
  model: 'acme/writer',
  modelPermaslug: 'acme/writer-2026',
  endpointId: 'acme/writer@alpha',
  providerSlug: 'alpha',
  providerName: 'Alpha',
  user: '',
  sessionId: '',
  traceparent: '',
  cost: {
    revision: 'r1',
    discountMillionths: 0,
    amountPico: '9007199254740993',
    meters: { input_uncached: 7 },
    unitCostsPico: { input_uncached: '1286742750677284' },
  },
};

describe('ingressSpoolRecovery', () => {
  it('ends what a dead ingress left open without a charge, and books what its first attempt probably cost', () => {
    const [end, attempt] = ingressSpoolRecovery.endAbandoned({ kind: 'accepted', generationId: accepted.generationId, body: JSON.stringify(accepted) });
    expect(decodeGenerationCompleted(end!.value)).toMatchObject({
      eventId: accepted.eventId,
      end: events.GenerationEnd.GATEWAY_FAILED,
      chargePico: 0n,
      accountId: 'account',
      endpointId: 'acme/writer@alpha',
    });
    expect(decodeAttemptCompleted(attempt!.value)).toMatchObject({
      eventId: '019b7600-0000-7000-8000-000000000000',
      attemptId: `${accepted.generationId}:0`,
      costPico: 9_007_199_254_740_993n,
      reporter: events.AttemptReporter.INGRESS,
      usage: { source: common.UsageSource.ESTIMATED },
      flags: ['usage_estimated'],
    });
  });

  it('makes the same events again when a recovery is repeated', () => {
    const record = { kind: 'accepted' as const, generationId: accepted.generationId, body: JSON.stringify(accepted) };
    expect(ingressSpoolRecovery.endAbandoned(record)).toEqual(ingressSpoolRecovery.endAbandoned(record));
  });

  it('flags an end whose delivery nobody confirmed, and changes nothing else of it', () => {
    const event = events.GenerationCompleted.fromPartial({
      eventId: accepted.eventId,
      generationId: accepted.generationId,
      chargePico: 5n,
      flags: ['usage_estimated'],
    });
    const flagged = ingressSpoolRecovery.flagUnconfirmed(encodeGenerationCompleted(event, 'ingress/a'));
    expect(decodeGenerationCompleted(flagged.value)).toEqual({ ...event, flags: ['usage_estimated', 'delivery_unconfirmed'] });
  });
});

describe('the events of a traced generation', () => {
  const SCHEDULE = { revision: 'r1', ratesPico: { input_uncached: 1n, output_text: 1n }, overrides: [], discountMillionths: 0 };
  const CANDIDATE = {
    endpoint: { endpointId: 'acme/writer@alpha', providerSlug: 'alpha', providerName: 'Alpha', variant: '' },
    model: { permaslug: 'acme/writer-2026' },
    publicModel: 'acme/writer',
    chargeSchedule: SCHEDULE,
    costSchedule: SCHEDULE,
  } as unknown as PlanCandidate;
  const ATTEMPT = { candidate: CANDIDATE, index: 0, durationMs: 1, upstreamStatus: 200, upstreamId: '' } as unknown as AttemptRecord;
  const SETTLEMENT: Settlement = {
    end: events.GenerationEnd.COMPLETED,
    meters: {},
    usageSource: common.UsageSource.PROVIDER,
    charge: { amountPico: 0n, lines: [] },
    flags: [],
  };
  const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
  const TRACESTATE = 'vendor=t61rcWkgMzE,ot=th:c';

  function traceOf(flags: '00' | '01', tracestate: string, environment: Readonly<Record<string, string>> = {}): RequestTrace {
    const { tracer, clock } = recordingTracing(environment);
    const headers = { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-${flags}`, tracestate };
    return beginRequestTrace(tracer, clock, { headers } as unknown as IncomingMessage, '/api/v1/chat/completions')!;
  }

  function generationOf(trace: RequestTrace | undefined): Generation {
    const { generationId: id, eventId, acceptTimeMs, accountId, workspaceId, keyHash: hash } = accepted;
    const bound = { textBytes: 40, imageCount: 0, hasTools: false, usesCacheControl: false };
    const request = { apiType: 'chat', stream: true, routing: {}, bound, attribution: readAttribution({}, {}), traceparent: '' };
    const key = { accountId, workspaceId, hash, costCentre: '' };
    return { id, eventId, acceptTimeMs, startedAtMs: 0, key, request, trace, attempts: [], leaseUses: [], flags: new Set() } as unknown as Generation;
  }

  /** The event of a generation that came to its end, and that of one whose ingress died before. */
  async function eventsOf(trace: RequestTrace | undefined, meanwhile = () => {}): Promise<readonly EventRecord[]> {
    const written: SpoolRecord[] = [];
    const spool = { append: (record: SpoolRecord) => void written.push(record), flushed: async () => {} } as unknown as Spool;
    const journal = new GenerationJournal(spool, manualClock(), seededRandom(1), 'ingress/a');
    const generation = generationOf(trace);
    journal.accepted(generation, CANDIDATE);
    meanwhile();
    await journal.completed(generation, ATTEMPT, SETTLEMENT, 0n);
    const [begun, completed] = written;
    if (begun?.kind !== 'accepted' || completed?.kind !== 'completed') throw new Error('something else was written');
    return [completed.event, ingressSpoolRecovery.endAbandoned(begun)[0]!];
  }

  const statesOf = (records: readonly EventRecord[]) =>
    records.map((record) => [decodeGenerationCompleted(record.value).tracestate, record.headers['tracestate']]);

  it('carry the tracestate of a recorded trace, also when they are written after a crash', async () => {
    const records = await eventsOf(traceOf('01', TRACESTATE));
    expect(statesOf(records)).toEqual([
      [TRACESTATE, TRACESTATE],
      [TRACESTATE, TRACESTATE],
    ]);
    for (const { headers } of records) expect(headers['traceparent']).toMatch(new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-01$`));
  });

  it('carry it from when a trace is kept, which is after its acceptance', async () => {
    const trace = traceOf('00', TRACESTATE);
    expect(statesOf(await eventsOf(trace, () => trace.keep('error')))).toEqual([
      [TRACESTATE, TRACESTATE],
      ['', undefined],
    ]);
  });

  it.each<[string, RequestTrace | undefined]>([
    ['is not recorded', traceOf('00', TRACESTATE)],
    ['is malformed', traceOf('01', 'not valid')],
    ['belongs to a trace that is only linked', traceOf('01', TRACESTATE, { SWITCHYARD_TRACE_INCOMING: 'link' })],
    ['nobody reads, where nothing is traced', undefined],
  ])('carry no tracestate that %s', async (_, trace) => {
    const records = await eventsOf(trace);
    for (const { value, headers } of records) expect(value + JSON.stringify(headers)).not.toContain('tracestate');
  });
});
