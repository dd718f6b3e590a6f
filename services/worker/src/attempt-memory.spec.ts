import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@switchyard/testing';
import { chatStart, RunnerHarness, sse, startReading } from './runner-harness.fake.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const STREAM_COUNT = 8;
const PROMPT_LENGTH = 4_000_000;

describe('what an open stream keeps of its prompt', () => {
  let harness: RunnerHarness;
  const upstream = createServer((request, response) => {
    request.resume().once('end', () => sse(response).flushHeaders());
  });

  beforeEach(async () => {
    harness = new RunnerHarness();
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await harness.close();
    upstream.closeAllConnections();
    upstream.close();
  });

  /** Bytes of the JavaScript heap: what came and what was sent are outside. */
  function heapBytes(): number {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  }

  it.each(['vllm', 'anthropic', 'google'])(
    'is nothing on the heap: %s',
    async (manifest) => {
      const baseUrl = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/v1`;
      const bodies = Array.from({ length: STREAM_COUNT }, () =>
        Buffer.from(JSON.stringify({ model: 'maker/model-1', stream: true, messages: [{ role: 'user', content: 'x'.repeat(PROMPT_LENGTH) }] })),
      );
      const before = heapBytes();
      const listeners = bodies.map((body) => startReading(harness.runner, chatStart(baseUrl, { stream: true, body }, { traits: { manifest } })));
      await eventually(() => expect(listeners.map(({ events }) => events)).toEqual(listeners.map(() => ['headers'])), { timeoutMs: 60_000 });
      expect(heapBytes() - before).toBeLessThan(PROMPT_LENGTH);
    },
    90_000,
  );
});
