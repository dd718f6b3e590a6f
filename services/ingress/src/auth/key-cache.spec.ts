import { afterEach, describe, expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import { billing, type KeyPort } from '@switchyard/proto';
import { CallTracer, type CallTrace } from '@switchyard/telemetry';
import { captureLogger, eventually, manualClock, recordingTracing, type CaptureLogger, type ManualClock, type RecordingTracing } from '@switchyard/testing';
import { KeyCache } from './key-cache.js';

/** Billing under the spec's control: keys, the number of its last change, and a watch that says what it is told. */
class ScriptedBilling {
  readonly keys = new Map<string, billing.Key>();
  sequence = 5n;
  resolveCount = 0;
  isAway = false;
  watchCount = 0;
  private readonly updates: billing.WatchKeysResponse[] = [];
  private wake: () => void = () => undefined;

  add(hash: string, extra: Partial<billing.Key> = {}): void {
    this.keys.set(hash, billing.Key.create({ hash, accountId: 'account', version: 1n, ...extra }));
  }

  tell(update: Partial<billing.WatchKeysResponse>): void {
    const message = { previousSequence: this.sequence, sequence: this.sequence, ...update };
    this.sequence = message.sequence;
    this.updates.push(billing.WatchKeysResponse.create(message));
    this.wake();
  }

  readonly port = {
    resolveKey: async ({ secretHash }: { secretHash?: string | undefined }) => {
      this.resolveCount++;
      if (this.isAway) throw new SwitchyardError('gateway_unavailable', 'billing is away');
      const key = this.keys.get(secretHash ?? '');
      if (!key) throw new SwitchyardError('not_found', 'no such key');
      return { key, sequence: this.sequence };
    },
    watchKeys: (_request: unknown, options?: { readonly signal?: AbortSignal | undefined }) => this.watch(options?.signal),
  } as Pick<KeyPort, 'resolveKey' | 'watchKeys'> as KeyPort;

  private async *watch(signal: AbortSignal | undefined): AsyncGenerator<billing.WatchKeysResponse> {
    this.watchCount++;
    if (this.isAway) throw new SwitchyardError('gateway_unavailable', 'billing is away');
    signal?.addEventListener('abort', () => this.wake());
    while (signal?.aborted !== true) {
      const next = this.updates.shift();
      if (next) yield next;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

describe('the key cache', () => {
  let clock: ManualClock;
  let source: ScriptedBilling;
  let cache: KeyCache;
  let tracing: RecordingTracing;
  let logger: CaptureLogger;

  function start({ maxLookupWaitMs = 5_000, isAway = false } = {}): void {
    logger = captureLogger();
    clock = manualClock();
    tracing = recordingTracing();
    source = new ScriptedBilling();
    source.isAway = isAway;
    const options = {
      keyGraceMs: 300_000,
      maxKeys: 2,
      unknownForMs: 5_000,
      heartbeatTimeoutMs: 2_000,
      reconnectDelayMs: 1,
      maxLookups: 2,
      maxWaitingLookups: 2,
      maxLookupWaitMs,
    };
    cache = new KeyCache(source.port, clock, logger, options, new CallTracer(tracing.tracer, []));
    cache.start();
  }

  afterEach(() => cache.close());

  async function isLive(): Promise<void> {
    await eventually(() => expect(cache.isLive).toBe(true));
  }

  it('asks once for all who wait for a key, and not again while the watch lives', async () => {
    start();
    source.add('a');
    source.tell({});
    await isLive();
    const found = await Promise.all([cache.find('a'), cache.find('a'), cache.find('a')]);
    expect(found.map((key) => key?.hash)).toEqual(['a', 'a', 'a']);
    expect(cache.peek('a')?.hash).toBe('a');
    expect(source.resolveCount).toBe(1);
  });

  it('remembers an unknown key for its time, then asks again', async () => {
    start();
    source.tell({});
    await isLive();
    expect(await cache.find('x')).toBeUndefined();
    expect(await cache.find('x')).toBeUndefined();
    expect(source.resolveCount).toBe(1);
    clock.advance(5_001);
    expect(await cache.find('x')).toBeUndefined();
    expect(source.resolveCount).toBe(2);
  });

  it('applies what the watch tells at once: a change, a deletion, facts of the account', async () => {
    start();
    source.add('a');
    source.add('b');
    source.tell({});
    await isLive();
    await cache.find('a');
    await cache.find('b');
    source.tell({
      sequence: 6n,
      changed: [
        billing.Key.create({ hash: 'a', accountId: 'account', version: 2n, disabled: true }),
        billing.Key.create({ hash: 'b', version: 2n, deleted: true }),
      ],
      changedAccounts: [billing.AccountFacts.create({ accountId: 'account', isNegative: true })],
    });
    await eventually(() => expect(cache.peek('a')).toMatchObject({ disabled: true, account: { isNegative: true } }));
    expect(cache.peek('b')).toBeUndefined();
  });

  it('trusts nothing it knew before the first word of the watch, nor before a gap', async () => {
    start();
    source.add('a');
    await cache.find('a');
    source.tell({});
    await isLive();
    expect(cache.peek('a')).toBeUndefined();
    await cache.find('a');
    expect(cache.peek('a')).toBeDefined();
    source.tell({ previousSequence: 7n, sequence: 8n });
    await eventually(() => expect(cache.peek('a')).toBeUndefined());
  });

  it('serves keys verified earlier for the grace time of a silent watch, and no others', async () => {
    start();
    source.add('a');
    source.tell({});
    await isLive();
    await cache.find('a');
    source.isAway = true;
    clock.advance(2_001);
    expect(cache.isLive).toBe(false);
    expect(cache.peek('a')?.hash).toBe('a');
    await expect(cache.find('b')).rejects.toMatchObject({ type: 'gateway_unavailable' });
    clock.advance(300_000);
    expect(cache.peek('a')).toBeUndefined();
    await expect(cache.find('a')).rejects.toMatchObject({ type: 'gateway_unavailable' });
  });

  it('keeps no key that was read before a change which the watch told in the meantime, even if it was silent since', async () => {
    start();
    for (const hash of ['a', 'b']) source.add(hash);
    source.tell({});
    await isLive();
    await cache.find('b');
    const answer = Promise.withResolvers<void>();
    const before = { key: source.keys.get('a'), sequence: source.sequence };
    Object.assign(source.port, { resolveKey: () => answer.promise.then(() => before) });
    const found = cache.find('a');
    source.tell({ sequence: 6n, changed: ['a', 'b'].map((hash) => billing.Key.create({ hash, version: 2n, disabled: true })) });
    await eventually(() => expect(cache.peek('b')?.disabled).toBe(true));
    clock.advance(2_001);
    answer.resolve();
    await found;
    expect(cache.peek('a')).toBeUndefined();
  });

  it('asks for so many keys at once, lets so many wait, and refuses more until some are answered', async () => {
    start();
    source.tell({});
    await isLive();
    const answer = Promise.withResolvers<void>();
    let runningCount = 0;
    const mostAtOnce: number[] = [];
    const resolveKey = async () => {
      mostAtOnce.push(++runningCount);
      await answer.promise;
      runningCount--;
      throw new SwitchyardError('not_found', 'no such key');
    };
    Object.assign(source.port, { resolveKey });
    const found = ['a', 'b', 'c', 'd', 'd'].map((hash) => cache.find(hash));
    await expect(cache.find('e')).rejects.toMatchObject({ type: 'gateway_unavailable', retryAfterMs: 1_000 });
    answer.resolve();
    expect(await Promise.all(found)).toEqual(found.map(() => undefined));
    expect(mostAtOnce).toHaveLength(4);
    expect(Math.max(...mostAtOnce)).toBe(2);
    expect(await cache.find('e')).toBeUndefined();
  });

  it('refuses keys whose turn does not come in time, where billing answers nobody', async () => {
    start({ maxLookupWaitMs: 50 });
    source.tell({});
    await isLive();
    const answer = Promise.withResolvers<never>();
    Object.assign(source.port, { resolveKey: () => answer.promise });
    const asked = ['a', 'b'].map((hash) => cache.find(hash));
    const late = ['c', 'd'].map((hash) => cache.find(hash));
    await Promise.all(late.map((each) => expect(each).rejects.toMatchObject({ type: 'gateway_unavailable', retryAfterMs: 1_000 })));
    answer.reject(new SwitchyardError('not_found', 'no such key'));
    expect(await Promise.all(asked)).toEqual([undefined, undefined]);
    expect(await cache.find('c')).toBeUndefined();
  });

  it('says once that billing is away, however often it tries, and once that it is back', async () => {
    start({ isAway: true });
    await eventually(() => expect(source.watchCount).toBeGreaterThan(5));
    expect(logger.lines).toMatchObject([{ level: 'warn', message: 'API keys cannot be watched; those known serve for their grace time' }]);
    source.isAway = false;
    source.tell({});
    await isLive();
    expect(logger.lines.slice(1)).toMatchObject([{ level: 'info', message: 'API keys are watched again' }]);
  });

  it('keeps no more keys than its bound: the one resolved longest ago goes', async () => {
    start();
    for (const hash of ['a', 'b', 'c']) source.add(hash);
    source.tell({});
    await isLive();
    for (const hash of ['a', 'b', 'c']) await cache.find(hash);
    expect(['a', 'b', 'c'].map((hash) => cache.peek(hash)?.hash)).toEqual([undefined, 'b', 'c']);
  });

  it('keeps the newer version of a key, whichever is told last', async () => {
    start();
    source.add('a', { version: 2n, name: 'newer' });
    source.add('b');
    source.tell({});
    await isLive();
    await cache.find('a');
    await cache.find('b');
    source.tell({
      sequence: 6n,
      changed: [billing.Key.create({ hash: 'a', version: 1n, name: 'older' }), billing.Key.create({ hash: 'b', version: 2n, deleted: true })],
    });
    await eventually(() => expect(cache.peek('b')).toBeUndefined());
    expect(cache.peek('a')).toMatchObject({ name: 'newer' });
  });

  it('traces each call, and tells whoever waits which one it is; a key at hand waits for none', async () => {
    start();
    source.add('a');
    source.tell({});
    await isLive();
    const waited: CallTrace[] = [];
    const waiter = { waitsFor: (call: CallTrace) => void waited.push(call) };
    await Promise.all([cache.find('a', waiter), cache.find('a', waiter)]);
    await cache.find('a', waiter);
    expect(await cache.find('x', waiter)).toBeUndefined();
    source.isAway = true;
    await expect(cache.find('b', waiter)).rejects.toMatchObject({ type: 'gateway_unavailable' });
    const spans = await tracing.finished();
    expect(spans.map(({ name, errorType }) => [name, errorType])).toEqual(
      [undefined, 'not_found', 'gateway_unavailable'].map((errorType) => ['switchyard.billing.v1.KeyService/ResolveKey', errorType]),
    );
    const [a, x, b] = spans.map(({ context }) => context);
    expect(waited.map((call) => call.link())).toEqual([a, a, x, b]);
    expect(spans.map(({ attributes }) => Object.keys(attributes))).toEqual(spans.map(() => ['rpc.method']));
  });
});
