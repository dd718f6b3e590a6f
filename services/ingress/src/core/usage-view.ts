import { picoToUsdNumber, PROMPT_METERS, type Charge, type Meters } from '@switchyard/core';
import type { UsageView } from '@switchyard/dialects';

const PROMPT_SIDE: ReadonlySet<string> = new Set([...PROMPT_METERS, 'request', 'input_image', 'web_search']);

/** What the client's `usage` shows of a charge: prompt and completion always add up to the cost. */
export function usageView(meters: Meters, charge: Charge): UsageView {
  let sumPico = 0n;
  let promptPico = 0n;
  for (const line of charge.lines) {
    sumPico += line.amountPico;
    if (PROMPT_SIDE.has(line.meter)) promptPico += line.amountPico;
  }
  // A discount is taken off the sum, so the completion's share is what remains.
  const promptChargePico = sumPico === charge.amountPico ? promptPico : (promptPico * charge.amountPico) / sumPico;
  return {
    meters,
    cost: picoToUsdNumber(charge.amountPico),
    isByok: false,
    upstreamInferenceCost: null,
    upstreamInferencePromptCost: picoToUsdNumber(promptChargePico),
    upstreamInferenceCompletionsCost: picoToUsdNumber(charge.amountPico - promptChargePico),
  };
}
