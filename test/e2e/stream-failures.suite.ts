import { Agent, request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, Customer, eventsOf, startFixture, type Fixture, type FixtureProvider, type JsonResponse, type Shape } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { FailingUpstream, type Exchange, type Script } from './failing-upstream.js';
import { COUNTS, FAILING_WIRES, PIECES, TEXT, type Counts } from './failing-wires.js';
import { FLOOD_TEXT_LENGTH, MAX_ANSWER_BYTES, scriptOf, STANDBY_COUNTS, STANDBY_TEXT, standbyScript } from './stream-failure-scripts.js';
import {
  cellId,
  CLIENT_LEAVES,
  ERROR_STATUS,
  FAR_TOO_MUCH,
  metricLabel,
  STOPS_FOR_A_WHILE,
  STOPS_FOR_GOOD,
  type Cell,
  type Outcome,
} from './stream-failure-table.js';

/** Short, yet long enough for a machine that does ten other things. */
const DEADLINES = { firstTokenMs: 10_000, betweenChunksMs: 6_000, totalMs: 20_000 };
/** USD for a million tokens. */
const PRICES = { prompt: '1', completion: '1000' };
const PROMPT_PICO = 1_000_000n;
const COMPLETION_PICO = 1_000_000_000n;
/** Millions of tokens of a flood must not cost a fortune. */
const FLOOD_PRICES = { prompt: '1', completion: '0.000001' };
const FLOOD_COMPLETION_PICO = 1n;
/** No count of a provider is taken for more. */
const MAX_COUNT = 0xffff_ffff;
const MAX_TOKENS = 20;
/** Pays one request and no second one beside it: what a failed attempt had reserved must be there again for the next. */
const KEY_LIMIT_USD = 0.036;
/** Cells at once, beside those that only wait until a deadline passes. */
const WIDTH = 6;
const WAITS_FOR_A_DEADLINE = /^stall$| of one byte every 20 ms/;
const WELL = 'well';
const MESSAGES = [{ role: 'user', content: 'Say something.' }];

/** A chunk or a whole answer. */
interface Answer {
  readonly choices: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly message?: { readonly content?: string };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly cost: number };
  readonly error?: { readonly code: number; readonly metadata?: { readonly error_type: string } };
}
interface GenerationRecord {
  readonly id: string;
  readonly total_cost: number;
  readonly status: string;
  readonly error_type: string | null;
  readonly cancelled: boolean;
  readonly tokens_prompt: number;
  readonly tokens_completion: number;
  readonly flags: readonly string[];
}

interface Charged {
  readonly status: string;
  readonly counts: Counts;
  readonly flags: readonly string[];
}

/** What a client made of an answer. */
interface Seen {
  readonly status: number;
  readonly text: string;
  /** How it ended: `[DONE]`, a JSON body, a typed error, or none of them. */
  readonly end: 'done' | 'body' | 'error' | 'nothing';
  readonly error: { readonly code: number; readonly type: string | undefined } | undefined;
  readonly attempts: number;
  readonly costPico: bigint | undefined;
  readonly generationId: string;
  readonly raw: string;
}

const picoOf = (usd: number): bigint => BigInt(Math.round(usd * 1e12));
const priceOf = ({ prompt, completion }: Counts, completionPico = COMPLETION_PICO): bigint =>
  BigInt(prompt) * PROMPT_PICO + BigInt(completion) * completionPico;
const tokensOf = (text: string): number => Math.ceil(Buffer.byteLength(text) / 4);

/** What the table promises, over real sockets. */
export function streamFailuresSuite(shape: Shape, cells: readonly Cell[]): void {
  let upstream: FailingUpstream;
  let standby: FailingUpstream;
  let fixture: Fixture;
  let customer: Customer;
  const agent = new Agent({ keepAlive: false });
  const results = new Map<Cell, Promise<void>>();
  const charges: bigint[] = [];
  const debtors: Customer[] = [];

  beforeAll(async () => {
    upstream = await FailingUpstream.start(new Map(cells.flatMap((cell) => modelsOf(cell).map((model) => [model, scriptOf(cell)]))));
    const standbyScripts = cells.map((cell): [string, Script] => [cellId(cell), standbyScript(cell.isStreamed)]);
    standby = await FailingUpstream.start(new Map([...standbyScripts, [WELL, standbyScript(false)]]));
    fixture = await startFixture({
      shape,
      environment: {
        SWITCHYARD_ATTEMPT_FIRST_TOKEN_MS: String(DEADLINES.firstTokenMs),
        SWITCHYARD_ATTEMPT_BETWEEN_CHUNKS_MS: String(DEADLINES.betweenChunksMs),
        SWITCHYARD_ATTEMPT_TOTAL_MS: String(DEADLINES.totalMs),
        // With a comment the headers leave, which then tell of the first attempt alone.
        SWITCHYARD_KEEP_ALIVE_COMMENT_MS: String(2 * DEADLINES.totalMs),
        SWITCHYARD_WORKER_MAX_ANSWER_BYTES: String(MAX_ANSWER_BYTES),
        SWITCHYARD_ACCOUNT_REQUESTS_PER_MINUTE: '100000',
      },
      providers: providersOf(cells, upstream.baseUrl, standby.baseUrl),
    });
    customer = await Customer.create(fixture.platform, '100');
    runInTurn(cells, check, results);
  }, 300_000);
  afterAll(async () => {
    await Promise.allSettled(results.values());
    agent.destroy();
    for (const each of [customer, ...debtors]) each?.close();
    await fixture?.stop();
    await Promise.all([upstream?.close(), standby?.close()]);
  }, 120_000);

  const bodyOf = (cell: Cell, model: string, order: readonly string[]) => ({
    model: `acme/${model}`,
    messages: MESSAGES,
    max_tokens: MAX_TOKENS,
    stream: cell.isStreamed,
    user: model,
    provider: { order, only: order },
  });

  async function check(cell: Cell): Promise<void> {
    const { outcome } = cell;
    if (cell.fault === CLIENT_LEAVES) return checkLeaving(cell);
    if (cell.fault === STOPS_FOR_A_WHILE) return checkPausedReader(cell);
    if (cell.fault === STOPS_FOR_GOOD) return checkStoppedReader(cell);
    if (cell.fault === FAR_TOO_MUCH) return checkOwed(cell);
    await checkBacked(cell, outcome);
    if (outcome.kind === 'replaced') await checkAlone(cell, outcome);
  }

  /** With a second endpoint that would answer. */
  async function checkBacked(cell: Cell, outcome: Outcome): Promise<void> {
    const model = cellId(cell);
    const key = await customer.newKey({ limit: KEY_LIMIT_USD });
    const seen = await ask(key.secret, bodyOf(cell, model, [providerOf(cell), 'standby']));
    if (reachesUpstream(cell)) expect(upstream.of(model)).toHaveLength(1);
    expect(standby.of(model)).toHaveLength(outcome.kind === 'replaced' ? 1 : 0);
    await checkAfterwards(key.secret, upstream.of(model), scriptOf(cell));
    switch (outcome.kind) {
      case 'replaced':
        expect(seen).toMatchObject({ status: 200, text: STANDBY_TEXT, end: cell.isStreamed ? 'done' : 'body', attempts: 2, costPico: priceOf(STANDBY_COUNTS) });
        // Nothing of the failed attempt leaks.
        expect(seen.raw).not.toMatch(/Hello|fell over|chatcmpl-1|msg_1|Failing/);
        return checkCharge(seen.generationId, { status: 'completed', counts: STANDBY_COUNTS, flags: [] });
      case 'completed':
        expect(seen).toMatchObject({ status: 200, text: TEXT, end: cell.isStreamed ? 'done' : 'body', attempts: 1 });
        return checkCompleted(seen, outcome.charged === 'reported');
      case 'broken': {
        const text = outcome.shown === 'everything' ? TEXT : PIECES[0];
        const error = { code: ERROR_STATUS[outcome.error], type: outcome.error };
        expect(seen).toMatchObject({ status: 200, text, end: 'error', error, attempts: 1 });
        return checkFailed(seen.generationId, outcome.error, true);
      }
      case 'left':
        throw new Error('only clients leave');
    }
  }

  /** With no other endpoint. */
  async function checkAlone(cell: Cell, outcome: Extract<Outcome, { kind: 'replaced' }>): Promise<void> {
    const model = aloneModel(cell);
    const key = await customer.newKey({ limit: KEY_LIMIT_USD });
    const seen = await ask(key.secret, bodyOf(cell, model, [providerOf(cell)]));
    expect(seen).toMatchObject({
      status: ERROR_STATUS[outcome.error],
      end: 'body',
      text: '',
      // What has no place in the error table is masked.
      error: { code: ERROR_STATUS[outcome.error], type: outcome.error === 'unmapped' ? undefined : outcome.error },
      attempts: outcome.triesAlone,
    });
    if (reachesUpstream(cell)) expect(upstream.of(model)).toHaveLength(outcome.triesAlone);
    await checkAfterwards(key.secret, upstream.of(model), scriptOf(cell));
    await checkFailed(seen.generationId, outcome.error, outcome.isCostBooked);
  }

  async function checkLeaving(cell: Cell): Promise<void> {
    const model = cellId(cell);
    const key = await customer.newKey({ limit: KEY_LIMIT_USD });
    const client = openRequest(key.secret, bodyOf(cell, model, [providerOf(cell), 'standby']));
    const shown = cell.outcome.kind === 'left' ? shownAt(cell.point) : '';
    const exchange = await eventually(() => {
      const [first] = upstream.of(model);
      expect(first?.isHeld).toBe(true);
      expect(textOf(eventsOf<Answer>(client.text()))).toBe(shown);
      return first!;
    });
    // What the upstream wrote before a later request has come through before that one's answer; the key's limit has room for one only.
    expect((await followUp(customer.apiKey)).status).toBe(200);
    client.leave();
    if (cell.outcome.kind === 'left') await eventually(() => expect(exchange.hasHungUp).toBe(true));
    else exchange.release();
    const record = await recordFor(model);
    expect([upstream.of(model).length, standby.of(model).length]).toEqual([1, 0]);
    await eventually(async () => expect((await followUp(key.secret)).status).toBe(200));
    if (cell.outcome.kind !== 'left') return checkCharge(record.id, { status: 'completed', counts: COUNTS, flags: [] });
    expect(record).toMatchObject({ status: 'client_aborted', cancelled: true });
    const { charged } = cell.outcome;
    if (charged === 'nothing') return checkCharge(record.id, { status: 'client_aborted', counts: { prompt: 0, completion: 0 }, flags: [] });
    if (charged === 'reported') return checkCharge(record.id, { status: 'client_aborted', counts: COUNTS, flags: [] });
    expect(record.tokens_prompt).toBeGreaterThan(0);
    const counts = { prompt: record.tokens_prompt, completion: tokensOf(shown) };
    return checkCharge(record.id, { status: 'client_aborted', counts, flags: ['usage_estimated'] });
  }

  /** What no limit could have covered is the account's debt, and nothing more is served until it is paid. */
  async function checkOwed(cell: Cell): Promise<void> {
    const debtor = await Customer.create(fixture.platform, '1');
    debtors.push(debtor);
    const seen = await ask(debtor.apiKey, bodyOf(cell, cellId(cell), [providerOf(cell), 'standby']));
    expect(seen).toMatchObject({ status: 200, text: TEXT, end: cell.isStreamed ? 'done' : 'body' });
    const amountPico = priceOf({ prompt: COUNTS.prompt, completion: MAX_COUNT });
    const { chargePico, postings } = await eventually(async () => {
      const explanation = await debtor.explain(seen.generationId);
      expect(BigInt(explanation.chargePico)).toBe(amountPico);
      return explanation;
    }, patient);
    const owed = postings.flatMap(({ entries }) => entries).find(({ ledgerAccount }) => ledgerAccount === `account:${debtor.accountId}:receivable`);
    expect(BigInt(owed?.amountPico ?? 0)).toBe(BigInt(chargePico) - picoOf(1));
    await eventually(async () => expect((await followUp(debtor.apiKey)).status).toBe(402), patient);
  }

  /** The time runs out while the client does not read: what it got is paid, and should it read on it sees that it is not all. */
  async function checkStoppedReader(cell: Cell): Promise<void> {
    const model = cellId(cell);
    const key = await customer.newKey({ limit: KEY_LIMIT_USD });
    const client = openRequest(key.secret, bodyOf(cell, model, [providerOf(cell), 'standby']), { isStopped: true });
    await eventually(() => expect(upstream.of(model)[0]?.hasHungUp).toBe(true), { timeoutMs: DEADLINES.totalMs * 2, intervalMs: 100 });
    client.readOn();
    const seen = seenIn(await client.finished(), cell.isStreamed);
    expect(seen).toMatchObject({ status: 200, end: 'error', error: { code: 504, type: 'timeout' } });
    expect(seen.text.length).toBeLessThan(FLOOD_TEXT_LENGTH);
    expect((await followUp(key.secret)).status).toBe(200);
    const { cancelled, tokens_prompt: prompt } = await recordOf(seen.generationId);
    expect(cancelled).toBe(true);
    const counts = { prompt, completion: tokensOf(seen.text) };
    await checkCharge(seen.generationId, { status: 'client_aborted', counts, flags: ['usage_estimated'] }, FLOOD_COMPLETION_PICO);
  }

  async function checkPausedReader(cell: Cell): Promise<void> {
    const model = cellId(cell);
    const key = await customer.newKey({ limit: KEY_LIMIT_USD });
    const client = openRequest(key.secret, bodyOf(cell, model, [providerOf(cell), 'standby']), { isStopped: true });
    const since = performance.now();
    const pauseMs = DEADLINES.betweenChunksMs * 1.5;
    await eventually(() => expect(performance.now() - since).toBeGreaterThan(pauseMs), { timeoutMs: 2 * pauseMs, intervalMs: 100 });
    client.readOn();
    const seen = seenIn(await client.finished(), cell.isStreamed);
    expect([seen.status, seen.end, seen.text.length, seen.error]).toEqual([200, 'done', FLOOD_TEXT_LENGTH, undefined]);
    await checkAfterwards(key.secret, upstream.of(model), scriptOf(cell));
    await checkCharge(seen.generationId, { status: 'completed', counts: COUNTS, flags: [] }, FLOOD_COMPLETION_PICO);
  }

  async function checkCompleted(seen: Seen, isReported: boolean): Promise<void> {
    if (isReported) {
      expect(seen.costPico).toBe(priceOf(COUNTS));
      return checkCharge(seen.generationId, { status: 'completed', counts: COUNTS, flags: [] });
    }
    const { tokens_prompt } = await recordOf(seen.generationId);
    expect(tokens_prompt).toBeGreaterThan(0);
    const counts = { prompt: tokens_prompt, completion: tokensOf(TEXT) };
    expect(seen.costPico).toBe(priceOf(counts));
    return checkCharge(seen.generationId, { status: 'completed', counts, flags: ['usage_estimated'] });
  }

  async function checkFailed(generationId: string, errorType: string, isCostBooked: boolean): Promise<void> {
    expect(await recordOf(generationId)).toMatchObject({ status: 'upstream_failed', error_type: errorType, total_cost: 0, cancelled: false });
    await eventually(async () => {
      const { chargePico, costPico } = await customer.explain(generationId);
      expect([BigInt(chargePico), BigInt(costPico) > 0n]).toEqual([0n, isCostBooked]);
    }, patient);
  }

  /** The record and the ledger say the same. */
  async function checkCharge(generationId: string, wanted: Charged, completionPico = COMPLETION_PICO): Promise<void> {
    const amountPico = priceOf(wanted.counts, completionPico);
    const record = await recordOf(generationId);
    expect({ ...record, total_cost: picoOf(record.total_cost) }).toMatchObject({ status: wanted.status, total_cost: amountPico, flags: wanted.flags });
    if (amountPico > 0n) expect([record.tokens_prompt, record.tokens_completion]).toEqual([wanted.counts.prompt, wanted.counts.completion]);
    await eventually(async () => expect(BigInt((await customer.explain(generationId)).chargePico)).toBe(amountPico), patient);
    charges.push(amountPico);
  }

  /** The upstream is left alone, the process serves, the money is there. */
  async function checkAfterwards(key: string, exchanges: readonly Exchange[], script: Script): Promise<void> {
    const next = await followUp(key);
    expect([next.status, next.text.includes(STANDBY_TEXT)]).toEqual([200, true]);
    const isOpenEnded = script.at(-1) === 'hold' || script.at(-1) === 'drip';
    if (isOpenEnded) await eventually(() => expect(exchanges.every((exchange) => exchange.hasHungUp)).toBe(true));
  }

  async function followUp(key: string): Promise<JsonResponse<unknown>> {
    const answer = await call(fixture.platform.baseUrl, '/chat/completions', {
      key,
      body: { model: `acme/${WELL}`, messages: MESSAGES, max_tokens: MAX_TOKENS },
    });
    if (answer.status === 200) charges.push(priceOf(STANDBY_COUNTS));
    return answer;
  }

  async function ask(key: string, body: ReturnType<typeof bodyOf>): Promise<Seen> {
    return seenIn(await call<Answer>(fixture.platform.baseUrl, '/chat/completions', { key, body }), body.stream);
  }

  const patient = { timeoutMs: 30_000, intervalMs: 100 };

  function recordOf(generationId: string): Promise<GenerationRecord> {
    return eventually(async () => {
      const record = await customer.call<{ data: GenerationRecord }>(`/generation?id=${generationId}`);
      expect(record.status).toBe(200);
      return record.body.data;
    }, patient);
  }

  function recordFor(user: string): Promise<GenerationRecord> {
    return eventually(async () => {
      const log = await customer.manage<{ data: GenerationRecord[] }>(`/logs?user=${user}`);
      expect(log.body.data).toHaveLength(1);
      return log.body.data[0]!;
    }, patient);
  }

  /** A client whose reading and leaving is ours. */
  function openRequest(key: string, body: object, options: { readonly isStopped?: boolean } = {}) {
    const pieces: Buffer[] = [];
    let response: IncomingMessage | undefined;
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const sent = request(`${fixture.platform.baseUrl}/chat/completions`, { method: 'POST', headers, agent });
    const text = () => Buffer.concat(pieces).toString('utf8');
    const ended = new Promise<void>((resolve) => {
      sent.once('response', (incoming) => {
        response = incoming;
        incoming.on('error', () => undefined);
        incoming.once('close', resolve);
        if (options.isStopped !== true) incoming.on('data', (piece: Buffer) => pieces.push(piece));
      });
      sent.on('error', () => undefined);
    });
    sent.end(JSON.stringify(body));
    return {
      text,
      leave: () => sent.destroy(),
      readOn: () => void response?.on('data', (piece: Buffer) => pieces.push(piece)),
      finished: async () => {
        await ended;
        return { status: response?.statusCode ?? 0, headers: response?.headers ?? {}, text: text(), body: undefined };
      },
    };
  }

  describe.each(groupsOf(cells))('%s', (_name, group) => {
    // The first of them may have to wait for the turns of most others.
    it.each(group.map((cell) => [titleOf(cell), cell] as const))('%s, as the table says', async (_title, cell) => results.get(cell), 300_000);
  });

  describe('after all of it', () => {
    it('the books agree, and nothing is owed for what failed', async () => {
      await Promise.all(results.values());
      const total = charges.reduce((sum, charge) => sum + charge, 0n);
      await eventually(async () => {
        const { body } = await customer.manage<{ data: { total_usage: number } }>('/credits');
        expect(picoOf(body.data.total_usage)).toBe(total);
      }, patient);
      expect(await customer.verifyLedger()).toEqual([]);
    }, 60_000);

    it('every attempt was counted once, under the name that the table gives it', async () => {
      await Promise.all(results.values());
      const { text } = await call(new URL(fixture.platform.baseUrl).origin, '/metrics');
      const series = [...text.matchAll(/^switchyard_attempts_total\{provider="([^"]+)",outcome="([^"]+)"\} (\d+)$/gm)];
      const counted = series.map(([, provider, outcome, count]): [string, number] => [`${provider} ${outcome}`, Number(count)]);
      expect(Object.fromEntries(counted.filter(([name]) => !name.startsWith('standby ')))).toEqual(expectedCounts(cells));
    }, 60_000);

    it('nothing unforeseen happened in any process', () => {
      expect(fixture.platform.output()).not.toMatch(/unforeseen|uncaught|unhandled/i);
    });
  });
}

/** Starts all: those that wait at once, the others a few at a time; by their points, so that what is heavy is not started together. */
function runInTurn(cells: readonly Cell[], check: (cell: Cell) => Promise<void>, results: Map<Cell, Promise<void>>): void {
  const waiting: (() => void)[] = [];
  let running = 0;
  for (const cell of cells.toSorted((left, right) => left.point.localeCompare(right.point))) {
    const isIdle = WAITS_FOR_A_DEADLINE.test(cell.fault);
    const turn = isIdle || running < WIDTH ? Promise.resolve() : new Promise<void>((resolve) => waiting.push(resolve));
    if (!isIdle) running += 1;
    const result = turn.then(() => check(cell)).finally(() => isIdle || waiting.shift()?.());
    // Its test says so, whenever its turn comes.
    result.catch(() => undefined);
    results.set(cell, result);
  }
}

const textOf = (chunks: readonly Answer[]): string => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? '').join('');

function seenIn(answer: JsonResponse<unknown>, isStreamed: boolean): Seen {
  const isStream = isStreamed && answer.status === 200;
  const chunks = isStream ? eventsOf<Answer>(answer.text) : [];
  const whole = isStream ? undefined : (answer.body as Answer | undefined);
  const last = isStream ? chunks.at(-1) : whole;
  const doneCount = answer.text.split('data: [DONE]').length - 1;
  const isDone = doneCount === 1 && answer.text.endsWith('data: [DONE]\n\n');
  const cost = (isStream ? chunks.findLast((chunk) => chunk.usage !== undefined) : whole)?.usage?.cost;
  return {
    status: answer.status,
    text: isStream ? textOf(chunks) : (whole?.choices?.[0]?.message?.content ?? ''),
    end: isStream
      ? last?.error && last.choices[0]?.finish_reason === 'error'
        ? 'error'
        : isDone
          ? 'done'
          : 'nothing'
      : whole === undefined
        ? 'nothing'
        : 'body',
    error: last?.error && { code: last.error.code, type: last.error.metadata?.error_type },
    attempts: Number(answer.headers['x-switchyard-attempts']),
    costPico: cost === undefined ? undefined : picoOf(cost),
    generationId: String(answer.headers['x-generation-id']),
    raw: answer.text,
  };
}

/** What a client has on its screen when the provider stops here. */
function shownAt(point: string): string {
  switch (point) {
    case 'in mid-chunk':
    case 'between chunks':
      return PIECES[0];
    case 'after the finish reason':
    case 'before the terminator':
      return TEXT;
    default:
      return '';
  }
}

/** Attempts by provider and by what metrics call their end. */
function expectedCounts(cells: readonly Cell[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const cell of cells) {
    const { outcome } = cell;
    const name = `${providerOf(cell)} ${metricLabel(outcome)}`;
    counts[name] = (counts[name] ?? 0) + 1 + (outcome.kind === 'replaced' ? outcome.triesAlone : 0);
  }
  return counts;
}

const aloneModel = (cell: Cell): string => `${cellId(cell)}-alone`;
const modelsOf = (cell: Cell): string[] => (cell.outcome.kind === 'replaced' ? [cellId(cell), aloneModel(cell)] : [cellId(cell)]);

/** Providers that nobody can reach, by the fault they stand for. */
const UNREACHABLE: Readonly<Record<string, string>> = {
  'a refused connection': 'refusing',
  'a host name that does not resolve': 'nameless',
  'no TLS where TLS is asked for': 'plain',
};
const reachesUpstream = (cell: Cell): boolean => UNREACHABLE[cell.fault] === undefined;
const providerOf = (cell: Cell): string => UNREACHABLE[cell.fault] ?? `failing-${cell.wire}`;

function providersOf(cells: readonly Cell[], failingUrl: string, standbyUrl: string): Record<string, FixtureProvider> {
  const floods = new Set(cells.filter(({ fault }) => fault === STOPS_FOR_A_WHILE || fault === STOPS_FOR_GOOD).map(cellId));
  const endpoint = (model: string) => ({ model: `acme/${model}`, prices: floods.has(model) ? FLOOD_PRICES : PRICES });
  const failing = (slug: string, baseUrl: string, like = 'vllm'): [string, FixtureProvider][] => {
    const models = cells.filter((cell) => providerOf(cell) === slug).flatMap(modelsOf);
    return models.length === 0 ? [] : [[slug, { name: `Failing ${slug}`, like, baseUrl, endpoints: models.map(endpoint) }]];
  };
  return Object.fromEntries([
    ...Object.entries(FAILING_WIRES).flatMap(([wire, { like }]) => failing(`failing-${wire}`, failingUrl, like)),
    // Nobody listens on the discard port.
    ...failing('refusing', 'http://127.0.0.1:9/v1'),
    ...failing('nameless', 'http://no-such-host.invalid/v1'),
    ...failing('plain', failingUrl.replace('http:', 'https:')),
    ['standby', { name: 'Standby', baseUrl: standbyUrl, endpoints: [...cells.map((cell) => endpoint(cellId(cell))), endpoint(WELL)] }],
  ]);
}

function groupsOf(cells: readonly Cell[]): [string, Cell[]][] {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const name = `${cell.isStreamed ? 'a stream' : 'a whole answer'} (${cell.wire})`;
    groups.set(name, [...(groups.get(name) ?? []), cell]);
  }
  return [...groups];
}

function titleOf(cell: Cell): string {
  return `${cell.fault}${cell.point === '' ? '' : ` ${cell.point}`}: ${sentenceOf(cell.outcome)}`;
}

function sentenceOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'replaced':
      return `another endpoint answers, else ${outcome.error}`;
    case 'broken':
      return `ends in ${outcome.error}, uncharged`;
    case 'completed':
      return `is whole, charged as ${outcome.charged}`;
    case 'left':
      return `its upstream ends, charged: ${outcome.charged}`;
  }
}
