import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_REQUEST_LIMITS } from '@switchyard/api';
import { decodeAttemptCompleted, decodeGenerationCompleted, openSpool, TOPICS, type Spool } from '@switchyard/events';
import { SwitchyardError } from '@switchyard/errors';
import type { AttemptHandle, AttemptListener, AttemptTransport } from '@switchyard/grpc';
import { billing, common, events, worker } from '@switchyard/proto';
import { CircuitBreakers, type RoutingTable } from '@switchyard/routing';
import { writerTable } from '@switchyard/routing/testing';
import { PrometheusMetrics } from '@switchyard/telemetry';
import { captureLogger, eventually, realClock, recordingEventLog, seededRandom, type RecordingEventLog } from '@switchyard/testing';
import { request } from 'undici';
import { GenerationJournal, ingressSpoolRecovery } from './generation-journal.js';
import { GenerationMetrics } from './generation-metrics.js';
import { chatCompletionsRoute } from './http/chat-completions/chat-completions.route.js';
import { HttpMetrics } from './http/http-metrics.js';
import { InferenceServer } from './http/inference-server.js';
import { KeepAlive } from './http/keep-alive.js';
import { BodyMemory } from './http/read-body.js';
import { walletOver, type LeaseBook } from './fixtures/fake-leases.js';
import { AttemptReserver } from './wallet/attempt-reserver.js';
import { QuotaKeeper } from './wallet/quota-keeper.js';
import type { Wallet } from './wallet/wallet.js';

const MODEL = 'acme/writer';
const KEY = {
  hash: 'h',
  kind: billing.KeyKind.INFERENCE,
  accountId: 'account',
  workspaceId: 'w',
  allowedModels: [],
  account: undefined,
} as unknown as billing.Key;

/** What a scripted worker does with one attempt. */
type Script = (start: worker.StartFrame, listener: AttemptListener) => AttemptHandle | void;

class ScriptedTransport implements AttemptTransport {
  readonly starts: worker.StartFrame[] = [];
  readonly cancelled: string[] = [];
  constructor(readonly scripts: Script[]) {}

  start(start: worker.StartFrame, listener: AttemptListener): AttemptHandle {
    this.starts.push(start);
    const script = this.scripts.shift();
    let handle: AttemptHandle | void;
    setImmediate(() => (handle = script?.(start, listener)));
    return {
      grant: (bytes) => handle?.grant(bytes),
      cancel: (reason) => {
        this.cancelled.push(reason);
        if (handle) handle.cancel(reason);
        else setImmediate(() => listener.onEnd(end(worker.AttemptEnd.CANCELLED)));
      },
    };
  }
}

function end(kind: worker.AttemptEnd, errorType = '', extra: Partial<common.ErrorDetail> = {}): worker.EndFrame {
  const error =
    errorType === ''
      ? undefined
      : { errorType, message: `it was ${errorType}`, metadataJson: '', retryAfterMs: undefined, providerCode: '', upstreamStatus: 0, ...extra };
  return { end: kind, error, warnings: [], upstreamId: 'up-1', serviceTier: '' };
}

function data(text: string, extra: Partial<worker.DataFrame> = {}): worker.DataFrame {
  return { bytes: Buffer.from(text), hasContent: true, finishReason: '', nativeFinishReason: '', outputBytes: BigInt(text.length), isDebug: false, ...extra };
}

function usage(listener: AttemptListener, meters: Record<string, number>): void {
  listener.onUsage({ usage: { meters, source: common.UsageSource.PROVIDER }, isFinal: true });
}

const answers: Script = (_start, listener) => {
  listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up-1' });
  listener.onData(data('{"id":"x","choices":[]}', { finishReason: 'stop', nativeFinishReason: 'stop' }));
  usage(listener, { input_uncached: 10, output_text: 5 });
  listener.onEnd(end(worker.AttemptEnd.COMPLETED));
};

const streams: Script = (_start, listener) => {
  listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up-1' });
  listener.onData(data('data: {"role":1}\n\n', { hasContent: false }));
  listener.onData(data('data: {"text":"a"}\n\n'));
  listener.onData(data('data: {"finish":1}\n\n', { finishReason: 'stop' }));
  usage(listener, { input_uncached: 10, output_text: 5 });
  listener.onEnd(end(worker.AttemptEnd.COMPLETED));
};

const fails =
  (errorType: string, extra?: Partial<common.ErrorDetail>): Script =>
  (_start, listener) =>
    listener.onEnd(end(worker.AttemptEnd.FAILED, errorType, extra));

/** A spool as its journal sees it. */
function onDisk(spool: Spool): Spool {
  return { append: (record) => spool.append(record), flushed: () => spool.flushed(), state: () => spool.state(), close: (options) => spool.close(options) };
}

/** Providers `p0`, `p1`, …, each `priceFactor` times as dear as the one before. */
function routingTable(providerCount: number, priceFactor: bigint): RoutingTable {
  const endpoints = Array.from({ length: providerCount }, (_, index) => {
    const factor = priceFactor ** BigInt(index);
    const ratesPico = { input_uncached: 1_000n * factor, output_text: 2_000n * factor };
    const schedules = [{ startTimeMs: 0n, schedule: { revision: 'r1', ratesPico, overrides: [], discountMillionths: 0 } }];
    const fixture = { endpointId: `e${index}`, contextLength: 100_000n, maxCompletionTokens: 1_000n, chargeSchedules: schedules, costSchedules: schedules };
    return [`p${index}`, fixture] as const;
  });
  return writerTable(Object.fromEntries(endpoints));
}

describe('runGeneration', () => {
  let folder: string;
  let spool: Spool;
  let log: RecordingEventLog;
  let server: Server;
  let transport: ScriptedTransport;
  let wallet: Wallet;
  let keepAlive: KeepAlive;
  /** Told by the counter of prompt tokens; undefined as when its thread died. */
  let promptTokenCount: number | undefined;
  let countedPrompts = 0;
  let key = KEY;
  /** How long the process was stopped. */
  let stoppedMs = 0;
  /** Resolves when the disk has taken what is written; a test may hold it. */
  let disk: Promise<void>;
  let metrics: PrometheusMetrics;
  const credit = { credit: 0n, isAway: false };
  const billingBook: LeaseBook = {
    availableIn: () => credit.credit,
    take: (_scope, amount) => void (credit.credit -= amount),
    grantsLeast: true,
    onAcquire: () => {
      if (credit.isAway) throw new SwitchyardError('gateway_unavailable', 'billing is away');
    },
  };

  async function start(providerCount: number, scripts: Script[], priceFactor = 1n): Promise<void> {
    const running = realClock();
    const clock = { nowMs: () => running.nowMs() + stoppedMs, monotonicMs: () => running.monotonicMs() + stoppedMs };
    const logger = captureLogger();
    metrics = new PrometheusMetrics();
    Object.assign(credit, { credit: 10n ** 12n, isAway: false });
    stoppedMs = 0;
    disk = Promise.resolve();
    promptTokenCount = undefined;
    countedPrompts = 0;
    key = KEY;
    keepAlive = new KeepAlive(1);
    transport = new ScriptedTransport(scripts);
    spool = await openSpool({ folder: join(folder, 'spool', 'a'), eventLog: log, recovery: ingressSpoolRecovery, clock, logger });
    wallet = walletOver(billingBook, clock, logger);
    const random = seededRandom(1);
    const tokenCounter = { count: async () => (countedPrompts++, promptTokenCount) };
    const table = routingTable(providerCount, priceFactor);
    const gateway = {
      clock,
      random: { nextFloat: () => random.nextFloat(), bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)) },
      logger,
      billingNowMs: () => Date.now(),
      table: () => table,
      breakers: new CircuitBreakers(),
      transport,
      quotas: new QuotaKeeper(wallet, clock, { earlyAbortsPerMinute: 20 }),
      reserver: new AttemptReserver(wallet, tokenCounter, { defaultOutputTokens: 1_000, minOutputTokens: 1 }),
      journal: new GenerationJournal({ ...onDisk(spool), flushed: () => disk.then(() => spool.flushed()) }, clock, random, 'ingress/test'),
      metrics: new GenerationMetrics(metrics),
      deadlines: { totalMs: 60_000 },
    };
    const inference = new InferenceServer(
      [chatCompletionsRoute],
      gateway,
      { authenticate: async () => key },
      keepAlive,
      clock,
      logger,
      new HttpMetrics(metrics),
      { body: { maxBytes: 10_000, minBytesPerSecond: 1 }, bodyMemory: new BodyMemory(15_000), maxConcurrentGenerations: 10, limits: DEFAULT_REQUEST_LIMITS },
    );
    server = createServer((incoming, outgoing) => void inference.handle(incoming, outgoing));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  }

  /** The answer as far as it has come, and its rest. */
  async function openStream(signal?: AbortSignal): Promise<{ soFar(): string; readonly rest: Promise<string> }> {
    const { port } = server.address() as AddressInfo;
    const response = await request(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: MODEL, stream: true, messages: [{ role: 'user', content: 'hi' }] }),
      ...(signal ? { signal } : {}),
    });
    let text = '';
    const rest = (async () => {
      for await (const piece of response.body as AsyncIterable<Buffer>) text += piece.toString();
      return text;
    })();
    return { soFar: () => text, rest };
  }

  /** Opens a stream and hangs up once it has shown this. */
  async function leaveStream(shown: string): Promise<void> {
    const client = new AbortController();
    const stream = await openStream(client.signal);
    await eventually(() => expect(stream.soFar()).toContain(shown));
    client.abort();
    await stream.rest.catch(() => undefined);
  }

  async function chat(body: object): Promise<{ status: number; headers: Record<string, unknown>; text: string }> {
    const { port } = server.address() as AddressInfo;
    const response = await request(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }], ...body }),
    });
    return { status: response.statusCode, headers: response.headers, text: await response.body.text() };
  }

  async function generations(): Promise<events.GenerationCompleted[]> {
    return eventually(() => {
      const found = log.published.filter((record) => record.topic === TOPICS.generationCompleted).map((record) => decodeGenerationCompleted(record.value));
      if (found.length === 0) throw new Error('nothing was published yet');
      return found;
    });
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'switchyard-generation-'));
    log = recordingEventLog();
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await spool.close({ drainWithinMs: 100 });
    rmSync(folder, { recursive: true, force: true });
  });

  it('answers whole with usage and cost, and spools what it charged', async () => {
    await start(1, [answers]);
    const response = await chat({});
    expect(response.status).toBe(200);
    const body = JSON.parse(response.text) as { usage: { cost: number; prompt_tokens: number } };
    expect(body.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 5, cost: 2e-8 });
    expect(response.headers['x-switchyard-cost-usd']).toBe('0.00000002');
    const [event] = await generations();
    expect(event).toMatchObject({
      end: events.GenerationEnd.COMPLETED,
      chargePico: 20_000n,
      flags: [],
      unitPricesPico: { input_uncached: 1_000n, output_text: 2_000n },
    });
    expect(event!.leases.reduce((sum, lease) => sum + lease.amount, 0n)).toBe(20_000n);
    expect(event!.generationId).toBe(response.headers['x-generation-id']);
  });

  it('streams content first, then usage and the end', async () => {
    await start(1, [streams]);
    const response = await chat({ stream: true });
    expect(response.text).toMatch(/^data: {"role":1}\n\ndata: {"text":"a"}\n\ndata: {"finish":1}\n\ndata: .*"usage":.*\n\ndata: \[DONE\]\n\n$/);
  });

  it('says with the usage of a stream which tier served it, where the provider said', async () => {
    const tiered: Script = (_start, listener) => {
      listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up-1' });
      listener.onData(data('data: {"text":"a"}\n\n', { finishReason: 'stop' }));
      usage(listener, { input_uncached: 10, output_text: 5 });
      listener.onEnd({ ...end(worker.AttemptEnd.COMPLETED), serviceTier: 'priority' });
    };
    await start(1, [tiered, streams]);
    const tierOf = (text: string) => (JSON.parse(text.trim().split('\n\n').at(-2)!.slice(6)) as { service_tier?: string }).service_tier;
    expect(tierOf((await chat({ stream: true })).text)).toBe('priority');
    expect(tierOf((await chat({ stream: true })).text)).toBeUndefined();
  });

  it('tells with the answer, whole and streamed, of wishes that are not done and of providers that nobody knows', async () => {
    await start(1, [answers, streams, answers]);
    const provider = { ignore: ['p1x'] };
    const warnings = [expect.stringContaining('preset: careful'), expect.stringContaining('provider.ignore names p1x')];
    expect(JSON.parse((await chat({ provider, preset: 'careful' })).text)).toMatchObject({ warnings });
    const { text } = await chat({ provider, preset: 'careful', stream: true });
    expect(JSON.parse(text.trim().split('\n\n').at(-2)!.slice(6))).toMatchObject({ warnings });
    expect(JSON.parse((await chat({ provider: { order: ['p0'] } })).text)).not.toHaveProperty('warnings');
  });

  it('gives the next attempt what the one before left of the total deadline', async () => {
    const failsLate: Script = (start, listener) => {
      stoppedMs = 45_000;
      fails('provider_unavailable')(start, listener);
    };
    await start(2, [failsLate, answers]);
    expect((await chat({})).status).toBe(200);
    const [first, second] = transport.starts.map(({ deadlines }) => Number(deadlines!.totalMs));
    expect(first).toBeGreaterThan(45_000);
    expect(first).toBeLessThanOrEqual(60_000);
    expect(second).toBeLessThanOrEqual(15_000);
  });

  it('tries nothing more once the total deadline has passed', async () => {
    const failsTooLate: Script = (start, listener) => {
      stoppedMs = 60_000;
      fails('provider_unavailable')(start, listener);
    };
    await start(2, [failsTooLate, answers]);
    expect((await chat({})).status).toBe(502);
    expect(transport.starts).toHaveLength(1);
  });

  it('falls back before content, and nothing of the failed attempt reaches the client', async () => {
    const leaks: Script = (_start, listener) => {
      listener.onHeaders({ upstreamStatus: 200, upstreamId: 'bad' });
      listener.onData(data('data: {"leak":1}\n\n', { hasContent: false }));
      listener.onEnd(end(worker.AttemptEnd.FAILED, 'provider_unavailable'));
    };
    await start(2, [leaks, streams]);
    const response = await chat({ stream: true });
    expect(response.text).not.toContain('leak');
    expect(response.text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(response.headers['x-switchyard-attempts']).toBe('2');
    const [event] = await generations();
    expect(event!.attempts.map((attempt) => attempt.errorType)).toEqual(['provider_unavailable', '']);
    expect(new Set(transport.starts.map((start) => start.endpoint!.endpointId)).size).toBe(2);
  });

  it('ends a cut stream with the typed error and without an end marker, charge 0', async () => {
    const cut: Script = (_start, listener) => {
      listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up' });
      listener.onData(data('data: {"text":"a"}\n\n'));
      listener.onEnd(end(worker.AttemptEnd.FAILED, 'provider_unavailable'));
    };
    await start(2, [cut, streams]);
    const { text } = await chat({ stream: true });
    expect(text).not.toContain('[DONE]');
    const last = JSON.parse(text.trim().split('\n\n').at(-1)!.slice(6)) as {
      error: { code: number; metadata: { error_type: string } };
      choices: { finish_reason: string }[];
    };
    expect(last.error).toMatchObject({ code: 502, metadata: { error_type: 'provider_unavailable' } });
    expect(last.choices[0]!.finish_reason).toBe('error');
    const [event] = await generations();
    expect(event).toMatchObject({ end: events.GenerationEnd.UPSTREAM_FAILED, chargePico: 0n });
  });

  const losesHalf: Script = (_start, listener) => {
    listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up' });
    listener.onData(data('{"id":"x","choices":[{"half":', { finishReason: 'stop', nativeFinishReason: 'stop' }));
    listener.onEnd(end(worker.AttemptEnd.SESSION_LOST));
  };

  it('sends no half of a whole answer whose worker went away, and asks another provider', async () => {
    await start(2, [losesHalf, answers]);
    const response = await chat({});
    expect(response.status).toBe(200);
    expect(JSON.parse(response.text)).toMatchObject({ choices: [], usage: { prompt_tokens: 10 } });
  });

  it('fails a whole answer, uncharged, when every worker goes away in the middle of it', async () => {
    await start(1, [losesHalf, losesHalf]);
    const response = await chat({});
    expect(response.status).toBe(502);
    const [event] = await generations();
    expect(event).toMatchObject({ end: events.GenerationEnd.UPSTREAM_FAILED, chargePico: 0n });
  });

  it('pays the next attempt with what a failed one had reserved', async () => {
    await start(2, [fails('provider_unavailable'), answers]);
    // Enough for one attempt, too little for two.
    credit.credit = 250_000n;
    expect((await chat({ max_tokens: 10 })).status).toBe(200);
    expect(transport.starts).toHaveLength(2);
  });

  it('gives an attempt that failed its one end, also when billing cannot be asked for the next', async () => {
    const failsAlone: Script = (started, listener) => {
      credit.isAway = true;
      return fails('provider_unavailable')(started, listener);
    };
    await start(2, [failsAlone, answers], 3n);
    const response = await chat({ max_tokens: 10, provider: { order: ['p0', 'p1'] } });
    expect(response.status).toBe(502);
    expect(transport.starts).toHaveLength(1);
    const [event] = await generations();
    expect(event).toMatchObject({ end: events.GenerationEnd.UPSTREAM_FAILED, chargePico: 0n });
  });

  it('does not try another endpoint for what the client has to mend', async () => {
    await start(2, [fails('invalid_request')]);
    const response = await chat({});
    expect(response.status).toBe(400);
    expect(transport.starts).toHaveLength(1);
  });

  it('tells every earlier failure and the soonest retry when all fail', async () => {
    await start(2, [
      fails('rate_limit_exceeded', { retryAfterMs: 9_000n, upstreamStatus: 429 }),
      fails('rate_limit_exceeded', { retryAfterMs: 4_000n, upstreamStatus: 429 }),
    ]);
    const response = await chat({});
    expect(response.status).toBe(429);
    expect(response.headers['retry-after']).toBe('4');
    const { error } = JSON.parse(response.text) as { error: { metadata: { previous_errors: { code: number }[] } } };
    expect(error.metadata.previous_errors).toMatchObject([{ code: 429 }]);
  });

  it('asks the endpoint that is closed for the shortest time when all are', async () => {
    const limited = (retryAfterMs: bigint): Script => fails('rate_limit_exceeded', { retryAfterMs, upstreamStatus: 429 });
    await start(3, [limited(60_000n), limited(600_000n), limited(300_000n), answers]);
    await chat({ provider: { sort: 'price' } });
    const [soonest] = transport.starts.map((started) => started.endpoint!.endpointId);
    expect((await chat({ provider: { sort: 'price' } })).status).toBe(200);
    expect(transport.starts.slice(3).map((started) => started.endpoint!.endpointId)).toEqual([soonest]);
  });

  it('cancels the upstream of a stream whose client left, and charges what was received', async () => {
    const endless: Script = (_start, listener) => {
      listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up' });
      listener.onData(data('data: {"text":"a"}\n\n', { outputBytes: 400n }));
      return {
        grant: () => undefined,
        cancel: () => setImmediate(() => (usage(listener, { input_uncached: 10, output_text: 100 }), listener.onEnd(end(worker.AttemptEnd.CANCELLED)))),
      };
    };
    await start(1, [endless]);
    await leaveStream('"text":"a"');
    const [event] = await generations();
    expect(transport.cancelled).toHaveLength(1);
    expect(event).toMatchObject({ end: events.GenerationEnd.CLIENT_ABORTED, chargePico: 10_000n + 200_000n });
  });

  it('charges what a stopped reader got when the time is over, tells it so, and blames no endpoint', async () => {
    const notRead: Script = (_start, listener) => {
      listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up' });
      // More than the socket takes at once: it is full when the end comes.
      listener.onData(data(`data: ${'x'.repeat(8 * 1024 * 1024)}\n\n`, { outputBytes: 400n }));
      usage(listener, { input_uncached: 10, output_text: 100 });
      listener.onEnd(end(worker.AttemptEnd.FAILED, 'timeout'));
    };
    await start(2, [notRead, notRead, notRead, streams]);
    for (let turn = 0; turn < 3; turn++) {
      const { text } = await chat({ stream: true, provider: { only: ['p0'] } });
      expect(text).not.toContain('[DONE]');
      expect(text).toMatch(/"error":\{"code":504,"message":"The answer was not read in time\."/);
    }
    const first = (await generations())[0]!;
    expect(first).toMatchObject({ end: events.GenerationEnd.CLIENT_ABORTED, chargePico: 10_000n + 200_000n, errorType: '' });
    // Three timeouts of its own would have closed it.
    await chat({ stream: true, provider: { order: ['p0', 'p1'] } });
    expect(transport.starts.at(-1)!.endpoint!.endpointId).toBe('e0');
  });

  it('reports the cost of a stream whose client left and whose worker went away before it could', async () => {
    const lost: Script = (_start, listener) => {
      listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up' });
      listener.onData(data('data: {"text":"a"}\n\n', { outputBytes: 400n }));
      return { grant: () => undefined, cancel: () => setImmediate(() => listener.onEnd(end(worker.AttemptEnd.SESSION_LOST))) };
    };
    await start(1, [lost]);
    await leaveStream('"text":"a"');
    const [event] = await generations();
    expect(event!.end).toBe(events.GenerationEnd.CLIENT_ABORTED);
    const attempts = await eventually(() => {
      const found = log.published.filter((record) => record.topic === TOPICS.attemptCompleted).map((record) => decodeAttemptCompleted(record.value));
      expect(found).toHaveLength(1);
      return found;
    });
    expect(attempts[0]).toMatchObject({
      attemptId: `${event!.generationId}:0`,
      reporter: events.AttemptReporter.INGRESS,
      usage: { meters: { output_text: 100 } },
      flags: ['usage_estimated'],
    });
  });

  it('begins nothing that cannot be written down, and keeps none of its money', async () => {
    await start(1, [answers]);
    await spool.close({ drainWithinMs: 100 });
    expect((await chat({ max_tokens: 10 })).status).toBe(503);
    expect(transport.starts).toHaveLength(0);
    const granted = 10n ** 12n - credit.credit;
    expect(granted).toBeGreaterThan(0n);
    const scope = billing.LeaseScope.create({ kind: billing.LeaseScopeKind.ACCOUNT_CREDIT, accountId: KEY.accountId });
    expect(wallet.heldAvailable(scope)).toBe(granted);
  });

  it('runs a whole request to its end when its client left, and charges it', async () => {
    let finish: () => void = () => undefined;
    let started: () => void = () => undefined;
    const isStarted = new Promise<void>((resolve) => (started = resolve));
    const slow: Script = (start, listener) => {
      finish = () => void answers(start, listener);
      started();
    };
    await start(1, [slow]);
    const { port } = server.address() as AddressInfo;
    const abort = new AbortController();
    const answer = request(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }] }),
      signal: abort.signal,
    }).catch(() => undefined);
    await isStarted;
    abort.abort();
    await answer;
    finish();
    const [event] = await generations();
    expect(transport.cancelled).toEqual([]);
    expect(event).toMatchObject({ end: events.GenerationEnd.COMPLETED, chargePico: 20_000n });
  });

  it('sends what fits upstream when the client names no cap, and refuses with both numbers when it names one that does not fit', async () => {
    await start(1, [answers]);
    // Enough for the prompt's bound and a few hundred tokens of answer.
    credit.credit = 800_000n;
    const refused = await chat({ max_tokens: 1_000 });
    expect(refused.status).toBe(402);
    expect(refused.text).toMatch(/You requested up to 1000 tokens, but can only afford \d+/);
    expect(transport.starts).toHaveLength(0);
    expect((await chat({})).status).toBe(200);
    expect(Number(transport.starts[0]!.maxOutputTokens)).toBeLessThan(400);
  });

  it('lets an answer that the client did not limit write no more than was granted of the tokens of the minute', async () => {
    await start(1, [answers, answers, answers]);
    // What a long prompt leaves of its money is enough for the others.
    expect((await chat({ max_tokens: 1_000, messages: [{ role: 'user', content: 'word '.repeat(200) }] })).status).toBe(200);
    expect((await chat({})).status).toBe(200);
    key = { ...KEY, tokensPerMinute: 10_000n };
    expect((await chat({})).status).toBe(200);
    // This billing grants the least that will do.
    expect(transport.starts.map(({ maxOutputTokens }) => maxOutputTokens)).toEqual([1_000n, 1_000n, 1n]);
  });

  it('ends with an estimate when the session broke after the finish reason, and with an error before it', async () => {
    const lost =
      (finishReason: string): Script =>
      (_start, listener) => {
        listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up' });
        listener.onData(data('data: {"text":"a"}\n\n', { finishReason, outputBytes: 40n }));
        listener.onEnd(end(worker.AttemptEnd.SESSION_LOST));
      };
    await start(1, [lost('stop'), lost('')]);
    expect((await chat({ stream: true })).text).toContain('[DONE]');
    expect((await chat({ stream: true })).text).not.toContain('[DONE]');
    const both = await eventually(async () => {
      const found = await generations();
      expect(found).toHaveLength(2);
      return found;
    });
    expect(both.map((event) => event.end).sort()).toEqual([events.GenerationEnd.COMPLETED, events.GenerationEnd.UPSTREAM_FAILED]);
    expect(both.find((event) => event.end === events.GenerationEnd.COMPLETED)!.flags).toContain('usage_estimated');
    expect(log.published.filter((record) => record.topic === TOPICS.attemptCompleted)).toHaveLength(2);
  });

  it('lets neither the end of a stream nor a whole answer go before its record is written', async () => {
    await start(1, [streams, answers]);
    let write: () => void = () => undefined;
    disk = new Promise((resolve) => (write = resolve));
    const stream = await openStream();
    await eventually(() => expect(stream.soFar()).toContain('"finish":1'));
    const whole = chat({});
    let hasAnswered = false;
    void whole.then(() => (hasAnswered = true));
    await eventually(() => expect(transport.scripts).toHaveLength(0));
    // Other requests come and go meanwhile.
    for (let turn = 0; turn < 10; turn++) expect((await chat({ messages: [{ role: 'user', content: 'x'.repeat(20_000) }] })).status).toBe(413);
    expect([stream.soFar().includes('"usage"'), stream.soFar().includes('[DONE]'), hasAnswered]).toEqual([false, false, false]);
    write();
    expect(await stream.rest).toContain('[DONE]');
    expect((await whole).status).toBe(200);
  });

  it('refuses an answer whose end cannot be written, and counts it as refused by us and not as one that went well', async () => {
    await start(1, [answers]);
    disk = Promise.reject(new Error('ENOSPC'));
    expect((await chat({})).status).toBe(503);
    const text = metrics.render();
    expect(text).toContain('switchyard_refusals_total{api="chat",error_type="gateway_unavailable",blame="gateway"} 1\n');
    expect(text).not.toMatch(/^switchyard_(generations|charged_usd)_total\{.*\} [^0]/m);
  });

  it('tries a failure that may pass once more after a moment where one endpoint is left, and no other failure', async () => {
    await start(1, [fails('provider_overloaded'), answers, fails('timeout')]);
    const startTime = performance.now();
    const response = await chat({});
    expect([response.status, response.headers['x-switchyard-attempts']]).toEqual([200, '2']);
    // 250 ms, give or take a fifth.
    expect(performance.now() - startTime).toBeGreaterThan(195);
    expect((await chat({})).status).toBe(504);
    expect(transport.starts).toHaveLength(3);
  });

  it('tries a failure that may pass once more where nothing after it can be paid for', async () => {
    await start(2, [fails('provider_overloaded'), answers], 100n);
    credit.credit = 1_000_000n;
    const response = await chat({ max_tokens: 10, provider: { order: ['p0', 'p1'] } });
    expect([response.status, response.headers['x-switchyard-attempts']]).toEqual([200, '2']);
    expect(transport.starts.map((started) => started.endpoint!.endpointId)).toEqual(['e0', 'e0']);
    const [event] = await generations();
    expect(event).toMatchObject({ end: events.GenerationEnd.COMPLETED, chargePico: 20_000n, leases: [{ amount: 20_000n }] });
  });

  it('passes over an endpoint that does not fit the money that is left, for one that does', async () => {
    await start(2, [answers], 100n);
    // Ten tokens of answer and the prompt fit at the first endpoint, and are a hundred times as dear at the second.
    credit.credit = 1_000_000n;
    const response = await chat({ max_tokens: 10, provider: { order: ['p1', 'p0'] } });
    expect(response.status).toBe(200);
    expect(transport.starts.map((started) => started.endpoint!.endpointId)).toEqual(['e0']);
  });

  it('counts a prompt only where its bound does not fit, and serves what the count lets fit', async () => {
    await start(1, [answers, answers]);
    const longPrompt = { max_tokens: 10, messages: [{ role: 'user', content: 'word '.repeat(1_000) }] };
    // The bound of 5,000 bytes costs 5,000,000 pico and more, what is counted 632,000.
    credit.credit = 1_000_000n;
    expect((await chat(longPrompt)).status).toBe(402);
    expect(countedPrompts).toBe(1);
    promptTokenCount = 100;
    expect((await chat(longPrompt)).status).toBe(200);
    expect(countedPrompts).toBe(2);
    credit.credit = 10n ** 12n;
    expect((await chat(longPrompt)).status).toBe(200);
    expect(countedPrompts).toBe(2);
  });

  it('ends a stream with the typed error before another byte, uncharged, when the process wakes after its lease can be settled', async () => {
    let wake: () => void = () => undefined;
    const sleeps: Script = (_start, listener) => {
      listener.onHeaders({ upstreamStatus: 200, upstreamId: 'up' });
      listener.onData(data('data: {"text":"a"}\n\n'));
      wake = () => {
        // Longer than `settleForMs`; what came meanwhile is read before any timer fires.
        stoppedMs += 130_000;
        listener.onData(data('data: {"text":"b"}\n\n', { finishReason: 'stop' }));
        usage(listener, { input_uncached: 10, output_text: 5 });
        listener.onEnd(end(worker.AttemptEnd.COMPLETED));
      };
    };
    await start(1, [sleeps, sleeps]);
    const stream = await openStream();
    await eventually(() => expect(stream.soFar()).toContain('"text":"a"'));
    wake();
    const text = await stream.rest;
    expect(text).not.toContain('"text":"b"');
    expect(text).not.toContain('[DONE]');
    expect(text).toContain('"code":504');
    const [event] = await generations();
    expect(event).toMatchObject({ end: events.GenerationEnd.UPSTREAM_FAILED, chargePico: 0n, leases: [] });
  });

  it.each(['a debug chunk', 'a comment that keeps it alive'])(
    'tells a total failure after %s inside the stream, which has its status already',
    async (what) => {
      let fail: () => void = () => undefined;
      const early: Script = (_start, listener) => {
        if (what === 'a debug chunk') listener.onData(data('data: {"debug":1}\n\n', { isDebug: true, hasContent: false }));
        fail = () => listener.onEnd(end(worker.AttemptEnd.FAILED, 'invalid_request'));
      };
      await start(1, [early]);
      if (what !== 'a debug chunk') keepAlive.start();
      const stream = await openStream();
      await eventually(() => expect(stream.soFar()).toMatch(what === 'a debug chunk' ? /"debug":1/ : /^:/));
      fail();
      const text = await stream.rest;
      keepAlive.close();
      expect(text).toMatch(/data: .*"code":400.*\n\n$/);
      expect(text).not.toContain('[DONE]');
    },
  );

  it('charges nothing for streams that were left before the provider answered, and limits a key that leaves more than 20 in a minute', async () => {
    // All of it in one minute of the process's clock.
    const untilNextMinuteMs = 60_000 - (performance.now() % 60_000);
    const silent: Script = (_start, listener) => ({
      grant: () => undefined,
      cancel: () => setImmediate(() => listener.onEnd(end(worker.AttemptEnd.CANCELLED))),
    });
    await start(1, [...Array.from({ length: 21 }, () => silent), answers]);
    stoppedMs = untilNextMinuteMs;
    for (let turn = 1; turn <= 21; turn++) {
      const abort = new AbortController();
      const left = openStream(abort.signal).catch(() => undefined);
      await eventually(() => expect(transport.starts).toHaveLength(turn));
      abort.abort();
      await left;
      await eventually(async () => expect(await generations()).toHaveLength(turn));
    }
    expect(new Set((await generations()).map((event) => `${event.end} ${event.chargePico}`))).toEqual(new Set([`${events.GenerationEnd.CLIENT_ABORTED} 0`]));
    const limited = await chat({});
    expect([limited.status, Number(limited.headers['retry-after']) > 0]).toEqual([429, true]);
    stoppedMs += 60_000;
    expect((await chat({})).status).toBe(200);
  });

  it('answers 413 to a body over the bound', async () => {
    await start(1, []);
    expect((await chat({ messages: [{ role: 'user', content: 'x'.repeat(20_000) }] })).status).toBe(413);
  });
});
