import { tracedContextOf } from '@switchyard/events';
import { SWITCHYARD, usdText, type Tracer } from '@switchyard/telemetry';
import type { UsageItem } from './usage-posting.js';

/** One span for each charge whose trace is recorded: the transaction that its batch was posted in. `startMs`: when that began, unix milliseconds. */
export function recordPostings(tracer: Tracer, batch: readonly UsageItem[], startMs: number): void {
  const endMs = tracer.nowMs();
  for (const item of batch) {
    const parent = item.kind === 'generation' ? tracedContextOf(item.record) : undefined;
    if (!parent || item.kind !== 'generation') continue;
    const { generationId, accountId, keyHash, chargePico } = item.event;
    tracer.record({
      name: 'ledger post',
      kind: 'internal',
      context: tracer.childContext(parent),
      parentSpanId: parent.spanId,
      startMs,
      endMs,
      attributes: {
        [SWITCHYARD.requestId]: generationId,
        [SWITCHYARD.organisation]: accountId,
        [SWITCHYARD.apiKey]: keyHash,
        [SWITCHYARD.charged]: usdText(chargePico),
        [SWITCHYARD.currency]: 'USD',
      },
    });
  }
}
