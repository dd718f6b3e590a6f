import { DAY_MS, completionTokenCount, promptTokenCount, type Meters } from '@switchyard/core';
import { events } from '@switchyard/proto';

/** One row of the daily roll-up, as a batch adds to it. */
export interface ActivitySum {
  readonly accountId: string;
  /** `YYYY-MM-DD`, UTC, of the accept time. */
  readonly day: string;
  readonly endpointId: string;
  readonly model: string;
  readonly modelPermaslug: string;
  readonly providerName: string;
  readonly workspaceId: string;
  readonly keyHash: string;
  readonly externalUser: string;
  usagePico: bigint;
  requestCount: number;
  promptTokenCount: number;
  completionTokenCount: number;
  reasoningTokenCount: number;
}

/** Sums per day, endpoint, key and user of the generations that an endpoint answered, in one fixed order (so that writers never deadlock). */
export function sumActivity(generations: readonly { readonly event: events.GenerationCompleted }[]): ActivitySum[] {
  const sums = new Map<string, ActivitySum>();
  for (const { event } of generations) {
    if (!isAnswered(event)) continue;
    const dayNumber = Math.floor(Number(event.acceptTimeMs) / DAY_MS);
    const user = storableUser(event.user);
    // Nothing that Postgres stores contains a NUL, so no two sums share a key.
    const served = `${event.endpointId}\0${event.model}\0${event.modelPermaslug}\0${event.providerName}`;
    const key = `${event.accountId}\0${dayNumber}\0${served}\0${event.workspaceId}\0${event.keyHash}\0${user}`;
    let sum = sums.get(key);
    if (sum === undefined) sums.set(key, (sum = newSum(event, dayNumber, user)));
    const meters = metersOf(event);
    sum.usagePico += event.chargePico;
    sum.requestCount += 1;
    sum.promptTokenCount += promptTokenCount(meters);
    sum.completionTokenCount += completionTokenCount(meters);
    sum.reasoningTokenCount += meters.reasoning ?? 0;
  }
  return [...sums.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, sum]) => sum);
}

export function metersOf(generation: events.GenerationCompleted): Meters {
  return (generation.usage?.meters ?? {}) as Meters;
}

function isAnswered(generation: events.GenerationCompleted): boolean {
  return generation.endpointId !== '' && (generation.end === events.GenerationEnd.COMPLETED || generation.end === events.GenerationEnd.CLIENT_ABORTED);
}

function newSum(generation: events.GenerationCompleted, dayNumber: number, externalUser: string): ActivitySum {
  return {
    accountId: generation.accountId,
    day: new Date(dayNumber * DAY_MS).toISOString().slice(0, 10),
    endpointId: generation.endpointId,
    model: generation.model,
    modelPermaslug: generation.modelPermaslug,
    providerName: generation.providerName,
    workspaceId: generation.workspaceId,
    keyHash: generation.keyHash,
    externalUser,
    usagePico: 0n,
    requestCount: 0,
    promptTokenCount: 0,
    completionTokenCount: 0,
    reasoningTokenCount: 0,
  };
}

const MAX_USER_LENGTH = 256;

/** Users are part of an index, whose entries are bounded: longer names are known by their beginning, which may not end within a character. */
export function storableUser(user: string): string {
  return storable(storable(user).slice(0, MAX_USER_LENGTH));
}

/**
 * Postgres texts cannot hold NUL, and UTF-8 no half of a surrogate pair; client-given ones may. What is stored alike has to be alike before it is summed:
 * a statement that adds to one row twice fails, and everything behind it waits.
 */
export function storable(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', '') : text).toWellFormed();
}
