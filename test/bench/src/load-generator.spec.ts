import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@switchyard/testing';
import { Load, type LoadOptions } from './load-generator.js';
import { chatBody, numberToFail, sameRequest, SpreadRequests } from './requests.js';

const TARGET = { port: 1, path: '/v1/chat/completions', headers: {} };
const REQUESTS = sameRequest(TARGET, chatBody({ model: 'writer', prompt: 'hello' }));
const WHOLE = answerWith(200, '{"usage":{"cost":0.000002}}');
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

let server: Server | undefined;
let load: Load | undefined;

afterEach(async () => {
  await load?.stop(0);
  server?.close();
});

/** Load on a server that answers each request as told. */
async function loadOn(answer: (socket: Socket, requestNumber: number) => void, options: Partial<LoadOptions> = {}): Promise<Load> {
  let requestCount = 0;
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => answer(socket, ++requestCount));
  });
  await new Promise<void>((done) => server!.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  load = await Load.start({ port, requests: REQUESTS, connections: 1, ...options });
  return load;
}

function answerWith(status: number, body: string): string {
  return `HTTP/1.1 ${status} Any\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

function chunk(data: string): string {
  const text = `data: ${data}\n\n`;
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

const delta = (number: number) => chunk(`{"choices":[{"delta":{"content":" w0${number}"}}]}`);
const END = `${chunk('[DONE]')}0\r\n\r\n`;

describe('what the bench counts', () => {
  it('counts whole answers, also those that come in pieces, and adds up their costs', async () => {
    const { counters, costs } = await loadOn(
      (socket) => {
        socket.write(WHOLE.slice(0, 20));
        setImmediate(() => socket.write(WHOLE.slice(20, 50), () => socket.write(WHOLE.slice(50))));
      },
      { collectsCosts: true },
    );
    await eventually(() => expect(counters.answered).toBeGreaterThan(20));
    expect(counters.failed).toBe(0);
    expect([...costs.keys()]).toEqual(['0.000002']);
  });

  it('keeps in mind what failed before it counts anew', async () => {
    const running = await loadOn((socket, number) => socket.write(number === 1 ? answerWith(503, 'overloaded') : WHOLE));
    await eventually(() => expect(running.counters.answered).toBeGreaterThan(2));
    running.reset();
    await eventually(() => expect(running.counters.answered).toBeGreaterThan(2));
    expect([running.counters.failed, running.failedInAll]).toEqual([0, 1]);
  });

  it('counts every answer with another status as failed, and shows what it said', async () => {
    const { counters, failures } = await loadOn((socket, number) => socket.write(number % 2 === 0 ? WHOLE : answerWith(503, 'overloaded')));
    await eventually(() => expect(counters.failed).toBeGreaterThan(5));
    expect(counters.answered).toBeGreaterThan(0);
    expect(failures[0]).toBe('503: overloaded');
  });

  it('counts a request whose connection is cut as failed and goes on', async () => {
    const { counters, failures } = await loadOn((socket, number) => (number === 3 ? socket.destroy() : socket.write(WHOLE)));
    await eventually(() => expect(counters.answered).toBeGreaterThan(10));
    expect(counters.failed).toBe(1);
    expect(failures).toEqual(['the connection was cut']);
  });

  it('counts an answer with the wrong content as failed, where it looks at it', async () => {
    const check = () => {
      throw new Error('not this');
    };
    const { counters, failures } = await loadOn((socket) => socket.write(WHOLE), { check });
    await eventually(() => expect(counters.answered).toBeGreaterThan(5));
    expect(failures[0]).toMatch(/^not this/);
  });

  it('counts the deltas of streams, also those that are cut in two on their way', async () => {
    const stream = STREAM_HEAD + delta(1) + delta(2) + END;
    const cut = stream.indexOf('w02');
    const { counters } = await loadOn((socket) => socket.write(stream.slice(0, cut), () => setImmediate(() => socket.write(stream.slice(cut)))), {
      deltasPerStream: 2,
    });
    await eventually(() => expect(counters.answered).toBeGreaterThan(5));
    expect(counters.failed).toBe(0);
    expect(counters.deltas).toBeGreaterThanOrEqual(counters.answered * 2);
  });

  it('counts a stream with too few deltas, or without its end, as failed', async () => {
    const { counters, failures } = await loadOn((socket, number) => socket.write(STREAM_HEAD + delta(1) + (number === 1 ? END : `${delta(2)}0\r\n\r\n`)), {
      deltasPerStream: 2,
    });
    await eventually(() => expect(counters.failed).toBeGreaterThan(1));
    expect(counters.answered).toBe(0);
    expect(failures[0]).toMatch(/^a stream with 1 deltas ended/);
    expect(failures[1]).toMatch(/^a stream with 2 deltas was cut short/);
  });

  it('tells how many requests were never answered', async () => {
    const stuck = await loadOn((socket, number) => (number === 1 ? socket.write(WHOLE) : undefined), { connections: 1 });
    await eventually(() => expect(stuck.counters.answered).toBe(1));
    await expect(stuck.stop(20)).resolves.toBe(1);
  });

  it('keeps to a rate', async () => {
    const startMs = performance.now();
    const { counters } = await loadOn((socket) => socket.write(WHOLE), { ratePerSecond: 200, connections: 4 });
    await eventually(() => expect(counters.answered).toBeGreaterThanOrEqual(40));
    // Forty requests at two hundred a second are not due before.
    expect(performance.now() - startMs).toBeGreaterThan(190);
  });
});

describe('requests that all differ', () => {
  const keys = ['key-1', 'key-2', 'key-3'];
  const models = ['acme/a', 'acme/b'];
  const source = () => new SpreadRequests(TARGET, { keys, models, failOneIn: 4, connections: 2 });

  it('names every key with every model, another number each time, and says its length', () => {
    const requests = source();
    const texts = Array.from({ length: 12 }, (_, index) => requests.next(index % 2).toString());
    const pairs = new Set(texts.map((text) => `${/Bearer (\S+)/.exec(text)![1]} ${/"model":"([^"]+)"/.exec(text)![1]}`));
    expect(pairs.size).toBe(6);
    expect(new Set(texts.map((text) => /request (\d{10})/.exec(text)![1])).size).toBe(12);
    for (const text of texts) {
      const [head, body] = text.split('\r\n\r\n');
      expect(Number(/content-length: (\d+)/.exec(head!)![1])).toBe(body!.length);
      expect(JSON.parse(body!)).toMatchObject({ max_tokens: 200 });
    }
  });

  it('marks one in four for its first attempt to fail, by a number of its own', () => {
    const requests = source();
    const numbers = Array.from({ length: 8 }, () => numberToFail(requests.next(0).toString()));
    expect(numbers).toEqual([undefined, undefined, undefined, '0000000004', undefined, undefined, undefined, '0000000008']);
  });

  it('refuses keys of different lengths', () => {
    expect(() => new SpreadRequests(TARGET, { keys: ['a', 'bb'], models, failOneIn: 4, connections: 1 })).toThrow('of one length');
  });
});
