import { describe, expect, it } from '@jest/globals';
import { SpanQueue, type QueuedSpan } from './span-queue.js';

const CONTEXT = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', isSampled: true };
const span = (contentBytes?: number): QueuedSpan => ({
  target: 'worker',
  span: { name: 'chat', kind: 'client', context: CONTEXT, parentSpanId: undefined, startMs: 0, endMs: 1, attributes: {}, contentBytes },
});

describe('spans with content', () => {
  const queue = () => {
    const batches: number[] = [];
    const events = { dropped: 0 };
    const sink = { send: async (spans: readonly QueuedSpan[]) => void batches.push(spans.length), close: async () => undefined };
    const limits = { maxQueueSize: 100, maxBatchSize: 10, maxContentBytes: 1_000, maxBatchContentBytes: 300, delayMs: 60_000, exportTimeoutMs: 1_000 };
    const listener = { onDropped: (count: number) => void (events.dropped += count), onExported: () => undefined, onFailed: () => undefined };
    return { batches, events, spans: new SpanQueue(sink, limits, listener) };
  };

  it('leave in batches of a bounded size, and do not wait for more once one is full', async () => {
    const { batches, spans } = queue();
    for (const contentBytes of [undefined, 200, undefined, 200, 400, undefined, undefined]) spans.add(span(contentBytes));
    await spans.close(5_000);
    expect(batches).toEqual([3, 1, 1, 2]);
  });

  it('are dropped beyond a bound of their own, which others do not count towards', async () => {
    const { batches, events, spans } = queue();
    for (let count = 0; count < 8; count++) spans.add(span(200));
    spans.add(span());
    expect(events.dropped).toBe(3);
    await spans.close(5_000);
    expect(batches.reduce((sum, count) => sum + count)).toBe(6);
    spans.add(span(200));
    expect(events.dropped).toBe(4);
  });
});
