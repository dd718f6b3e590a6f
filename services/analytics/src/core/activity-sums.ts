import { completionTokenCount, promptTokenCount, type Meters } from '@switchyard/core';
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
  requestCount: bigint;
  promptTokenCount: bigint;
  completionTokenCount: bigint;
  reasoningTokenCount: bigint;
}

/** Sums per day, endpoint, key and user of the generations that an endpoint answered, in one fixed order (so that writers never deadlock). */
export function sumActivity(generations: readonly events.GenerationCompleted[]): ActivitySum[] {
  const sums = new Map<string, ActivitySum>();
  for (const generation of generations) {
    if (!isAnswered(generation)) continue;
    const sum = newSum(generation);
    const key = JSON.stringify([
      sum.accountId,
      sum.day,
      sum.endpointId,
      sum.model,
      sum.modelPermaslug,
      sum.providerName,
      sum.workspaceId,
      sum.keyHash,
      sum.externalUser,
    ]);
    const known = sums.get(key) ?? sum;
    sums.set(key, known);
    const meters = metersOf(generation);
    known.usagePico += generation.chargePico;
    known.requestCount += 1n;
    known.promptTokenCount += BigInt(promptTokenCount(meters));
    known.completionTokenCount += BigInt(completionTokenCount(meters));
    known.reasoningTokenCount += BigInt(meters.reasoning ?? 0);
  }
  return [...sums.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, sum]) => sum);
}

export function metersOf(generation: events.GenerationCompleted): Meters {
  return (generation.usage?.meters ?? {}) as Meters;
}

function isAnswered(generation: events.GenerationCompleted): boolean {
  return generation.endpointId !== '' && (generation.end === events.GenerationEnd.COMPLETED || generation.end === events.GenerationEnd.CLIENT_ABORTED);
}

function newSum(generation: events.GenerationCompleted): ActivitySum {
  return {
    accountId: generation.accountId,
    day: new Date(Number(generation.acceptTimeMs)).toISOString().slice(0, 10),
    endpointId: generation.endpointId,
    model: generation.model,
    modelPermaslug: generation.modelPermaslug,
    providerName: generation.providerName,
    workspaceId: generation.workspaceId,
    keyHash: generation.keyHash,
    externalUser: storableUser(generation.user),
    usagePico: 0n,
    requestCount: 0n,
    promptTokenCount: 0n,
    completionTokenCount: 0n,
    reasoningTokenCount: 0n,
  };
}

const MAX_USER_LENGTH = 256;

/** Users are part of an index, whose entries are bounded: longer names are known by their beginning. */
export function storableUser(user: string): string {
  return storable(user).slice(0, MAX_USER_LENGTH);
}

/** Postgres texts cannot hold NUL; client-given ones may. */
export function storable(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '') : text;
}
