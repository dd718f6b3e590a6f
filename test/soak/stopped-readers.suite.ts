import { readFileSync } from 'node:fs';
import { Agent, request, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, eventsOf, startFixture, type Fixture, type Shape } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { DELTA_MARK, startFloodingUpstream, type FloodingUpstream } from './flooding-upstream.js';

const MODEL = 'acme/torrent';
const FLOOD = { deltas: 2_560, deltaBytes: 8 * 1024 };
const MEBIBYTE = 1024 * 1024;
const GROWTH_BOUND_BYTES = 64 * MEBIBYTE;
/** What the shortest first-token deadline grants a provider is what a client of ours may wait for a small answer. */
const SMALL_ANSWER_MS = 1_500;
const SMALL_REQUESTS = 30;
const WARM_UP_READERS = 20;
/** The others hang up: gigabytes more would prove nothing more. */
const RESUMED_READERS = 25;
/** The system's own socket buffers swallow megabytes of every new stream; all at once they would keep this process from anything else. */
const OPENED_AT_ONCE = 10;

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}

/** Clients that stop reading in mid-stream while their provider would send 20 MB to each. */
export function stoppedReadersSuite(shape: Shape, readerCount: number): void {
  describe(`${readerCount} clients that stop reading streams of 20 MB (${shape})`, () => {
    let upstream: FloodingUpstream;
    let fixture: Fixture;
    const agent = new Agent({ keepAlive: false });
    beforeAll(async () => {
      upstream = await startFloodingUpstream(FLOOD);
      const endpoints = [{ model: MODEL, prices: { prompt: '0.01', completion: '0.01' } }];
      fixture = await startFixture({ shape, providers: { flood: { name: 'Flood', baseUrl: upstream.baseUrl, endpoints } } });
    }, 300_000);
    afterAll(async () => {
      agent.destroy();
      await fixture?.stop();
      await upstream?.close();
    }, 120_000);

    const body = (prompt: string) => ({ model: MODEL, stream: true, max_tokens: 100, messages: [{ role: 'user', content: prompt }] });

    /** A stream whose headers came and whose body nobody reads yet. */
    function openStream(prompt: string): Promise<IncomingMessage> {
      const { baseUrl, apiKey } = fixture.platform;
      return new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
        const sent = request(`${baseUrl}/chat/completions`, { method: 'POST', headers, agent }, resolve);
        sent.once('error', reject);
        sent.end(JSON.stringify(body(prompt)));
      });
    }

    async function askSmall(): Promise<void> {
      const { baseUrl, apiKey } = fixture.platform;
      const { status, text } = await call(baseUrl, '/chat/completions', { key: apiKey, body: body('small'), signal: AbortSignal.timeout(SMALL_ANSWER_MS) });
      expect(status).toBe(200);
      expect(text).toContain('hello');
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    }

    /** Memory of the processes on the way of a stream. */
    function residentBytes(): number {
      const { processes } = fixture.platform;
      const pids = new Set([...(processes['ingress'] ?? []), ...(processes['worker'] ?? [])]);
      return [...pids]
        .map((pid) => 1_024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]))
        .reduce((sum, bytes) => sum + bytes, 0);
    }

    it('cost less than 64 MiB together, slow nobody else down, and get everything once they read on', async () => {
      // As many streams at once as will stop later, and much traffic: what these need is not what stopped readers cost.
      await Promise.all(Array.from({ length: readerCount }, async () => readAll(await openStream('small'))));
      await Promise.all(Array.from({ length: WARM_UP_READERS }, async () => expectWhole(await openStream('flood'))));
      const writtenWarmingUp = upstream.writtenBytes();
      const residentBefore = residentBytes();
      const readers: IncomingMessage[] = [];
      while (readers.length < readerCount) readers.push(...(await Promise.all(Array.from({ length: OPENED_AT_ONCE }, () => openStream('flood')))));
      expect(new Set(readers.map((reader) => reader.statusCode))).toEqual(new Set([200]));

      let mostResident = 0;
      let writtenBefore = -1;
      await eventually(
        () => {
          mostResident = Math.max(mostResident, residentBytes());
          const written = upstream.writtenBytes();
          const isStill = written === writtenBefore;
          writtenBefore = written;
          expect(isStill).toBe(true);
        },
        { timeoutMs: 60_000, intervalMs: 500 },
      );
      expect(upstream.writtenBytes() - writtenWarmingUp).toBeLessThan((readerCount * FLOOD.deltas * FLOOD.deltaBytes) / 2);
      for (let index = 0; index < SMALL_REQUESTS; index++) await askSmall();
      mostResident = Math.max(mostResident, residentBytes());
      expect(mostResident - residentBefore).toBeLessThan(GROWTH_BOUND_BYTES);

      const [first, ...others] = readers.slice(0, RESUMED_READERS);
      for (const reader of readers.slice(RESUMED_READERS)) reader.destroy();
      const [text] = await Promise.all([readText(first!), ...others.map(expectWhole)]);
      const contents = eventsOf<Chunk>(text).map((chunk) => chunk.choices[0]?.delta.content ?? '');
      const numbers = contents.filter((content) => content.startsWith(DELTA_MARK)).map((content) => Number.parseInt(content.slice(1), 10));
      expect(numbers).toEqual(Array.from({ length: FLOOD.deltas }, (_, index) => index));
      expect(contents.join('')).toHaveLength(FLOOD.deltas * FLOOD.deltaBytes);
      expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    }, 300_000);
  });
}

async function readText(stream: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of stream.setEncoding('utf8') as AsyncIterable<string>) text += piece;
  return text;
}

async function readAll(stream: IncomingMessage): Promise<void> {
  for await (const piece of stream) void piece;
}

/** Counts instead of keeping: all readers together get gigabytes. */
async function expectWhole(stream: IncomingMessage): Promise<void> {
  let deltas = 0;
  let bytes = 0;
  let end = '';
  for await (const piece of stream as AsyncIterable<Buffer>) {
    bytes += piece.byteLength;
    for (let index = piece.indexOf(DELTA_MARK); index !== -1; index = piece.indexOf(DELTA_MARK, index + 1)) deltas++;
    end = (end + piece.toString('latin1', Math.max(0, piece.byteLength - 20))).slice(-20);
  }
  expect({ deltas, isLong: bytes > FLOOD.deltas * FLOOD.deltaBytes, end: end.slice(-'data: [DONE]\n\n'.length) }).toEqual({
    deltas: FLOOD.deltas,
    isLong: true,
    end: 'data: [DONE]\n\n',
  });
}
