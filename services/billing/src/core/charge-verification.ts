import { applyDiscount, attemptId, COMPLETION_METERS, generationIdTimeMs, UNIT_METERS } from '@switchyard/core';
import { events } from '@switchyard/proto';

/** Units that a provider may simply not price. */
const FREE_WHEN_UNPRICED: ReadonlySet<string> = new Set(UNIT_METERS);
const COMPLETION: readonly string[] = COMPLETION_METERS;
const MAX_ID_LENGTH = 128;
/** The last instant that a date can name. */
const MAX_TIME_MS = 8_640_000_000_000_000n;
/** UUIDv7 in its canonical, lower-case form. */
const EVENT_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * Multiplies again what an event says it was priced with. Returns why the event cannot be posted, a short constant
 * sentence, or undefined. Nothing is ever repriced.
 */
export function chargeProblem(event: events.GenerationCompleted): string | undefined {
  if (!EVENT_ID.test(event.eventId)) return 'event_id is no canonical UUIDv7';
  if (generationIdTimeMs(event.generationId) === undefined) return 'generation_id is none of ours';
  if (!isId(event.accountId) || !isId(event.keyHash) || event.workspaceId.includes('\0')) return 'account, workspace or key is missing';
  if (event.acceptTimeMs <= 0n || event.acceptTimeMs > MAX_TIME_MS) return 'accept_time_ms is missing';
  if (event.chargePico < 0n || event.underestimatedPico < 0n || event.leases.some((use) => use.amount < 0n)) return 'an amount is negative';
  const isFailed = event.end !== events.GenerationEnd.COMPLETED && event.end !== events.GenerationEnd.CLIENT_ABORTED;
  if (isFailed) return event.chargePico === 0n ? undefined : 'a failed generation is charged';
  if (event.chargePico === 0n && mayBeFree(event)) return undefined;
  const product = productOf(event.usage?.meters ?? {}, event.unitPricesPico, event.flags.includes('price_missing'));
  if (product === undefined) return 'a counted meter has no unit price';
  if (applyDiscount(product, event.discountMillionths) !== event.chargePico) return 'charge differs from counts times unit prices';
  for (const meter in event.chargeLinesPico) {
    if (event.chargeLinesPico[meter] !== BigInt(event.usage?.meters[meter] ?? 0) * (event.unitPricesPico[meter] ?? 0n))
      return 'a charge line differs from count times unit price';
  }
  return undefined;
}

/** The same for the cost side. A cost that its reporter could not tell is zero without unit costs. */
export function costProblem(event: events.AttemptCompleted): string | undefined {
  if (!EVENT_ID.test(event.eventId)) return 'event_id is no canonical UUIDv7';
  if (generationIdTimeMs(event.generationId) === undefined || event.attemptId !== attemptId(event.generationId, event.index))
    return 'attempt_id is none of ours';
  if (!isId(event.accountId) || !isId(event.providerSlug)) return 'account or provider is missing';
  if (event.acceptTimeMs <= 0n || event.acceptTimeMs > MAX_TIME_MS) return 'accept_time_ms is missing';
  if (event.reporter !== events.AttemptReporter.WORKER && event.reporter !== events.AttemptReporter.INGRESS) return 'reporter is unknown';
  if (event.costPico < 0n) return 'an amount is negative';
  if (event.costPico === 0n && Object.keys(event.unitCostsPico).length === 0) return undefined;
  const product = productOf(event.usage?.meters ?? {}, event.unitCostsPico, false);
  if (product === undefined) return 'a counted meter has no unit cost';
  return applyDiscount(product, event.costDiscountMillionths) === event.costPico ? undefined : 'cost differs from counts times unit costs';
}

/** Nothing came back, or an error did: such generations cost nothing whatever was counted. */
function mayBeFree(event: events.GenerationCompleted): boolean {
  if (event.finishReason === 'error' || event.flags.includes('price_missing')) return true;
  return COMPLETION.every((meter) => !event.usage?.meters[meter]);
}

function productOf(meters: Readonly<Record<string, number>>, unitPricesPico: Readonly<Record<string, bigint>>, mayMissPrices: boolean): bigint | undefined {
  let sum = 0n;
  for (const meter in meters) {
    const count = meters[meter]!;
    const pricePico = unitPricesPico[meter];
    if (pricePico !== undefined) sum += pricePico * BigInt(count);
    else if (count > 0 && !mayMissPrices && !FREE_WHEN_UNPRICED.has(meter)) return undefined;
  }
  return sum;
}

function isId(text: string): boolean {
  return text !== '' && text.length <= MAX_ID_LENGTH && !text.includes('\0');
}
