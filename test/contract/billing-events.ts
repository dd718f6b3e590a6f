import { attemptId, newEventId, newGenerationId } from '@switchyard/core';
import { encodeAttemptCompleted, encodeGenerationCompleted, type EventLog } from '@switchyard/events';
import { common, events } from '@switchyard/proto';
import { systemClock, systemRandom } from '@switchyard/runtime';

const clock = systemClock();
const random = systemRandom();

/** A generation of the key that costs this much. */
export function chargeOf(
  customer: Pick<events.GenerationCompleted, 'accountId' | 'keyHash'>,
  chargePico: bigint,
  fields: Partial<events.GenerationCompleted> = {},
): events.GenerationCompleted {
  return events.GenerationCompleted.fromPartial({
    eventId: newEventId(clock, random),
    generationId: newGenerationId(clock, random),
    acceptTimeMs: BigInt(clock.nowMs()),
    end: events.GenerationEnd.COMPLETED,
    ...customer,
    usage: { meters: { output_text: 1 }, source: common.UsageSource.PROVIDER },
    priceRevision: 'price-1',
    unitPricesPico: { output_text: chargePico },
    chargePico,
    chargeLinesPico: { output_text: chargePico },
    finishReason: 'stop',
    ...fields,
  });
}

/** The generation's only attempt, as its worker reported it. */
export function costOf({ generationId, accountId }: events.GenerationCompleted, costPico: bigint): events.AttemptCompleted {
  return events.AttemptCompleted.fromPartial({
    eventId: newEventId(clock, random),
    attemptId: attemptId(generationId, 0),
    generationId,
    acceptTimeMs: BigInt(clock.nowMs()),
    accountId,
    providerSlug: 'acme',
    outcome: events.AttemptOutcome.COMPLETED,
    usage: { meters: { output_text: 1 }, source: common.UsageSource.PROVIDER },
    costRevision: 'cost-1',
    unitCostsPico: { output_text: costPico },
    costPico,
    reporter: events.AttemptReporter.WORKER,
  });
}

export function publishUsage(eventLog: EventLog, ...usage: readonly (events.GenerationCompleted | events.AttemptCompleted)[]): Promise<void> {
  return eventLog.publish(usage.map((event) => ('attemptId' in event ? encodeAttemptCompleted(event, 'test') : encodeGenerationCompleted(event, 'test'))));
}
