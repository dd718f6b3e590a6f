import type { BookedGeneration, Books } from './books.js';
import type { Observation } from './client-load.js';
import type { Incident } from './recorder.js';

/** A broken promise. */
export interface Finding {
  readonly rule: string;
  readonly subject: string;
  readonly detail: string;
}

export interface Evidence {
  readonly observations: readonly Observation[];
  readonly incidents: readonly Incident[];
  readonly books: Books;
  /** As the providers counted them. */
  readonly upstreamRequestCount: number;
}

const PICO_PER_USD = 1e12;
/** A client may see its connection break a moment before the harness notes why. */
const NOTE_LAG_MS = 250;

/** Every promise of the platform that what was seen and what was booked contradict; nothing when all were kept. */
export function judge({ observations, incidents, books, upstreamRequestCount }: Evidence): Finding[] {
  const kills = incidents.filter((incident) => incident.kind === 'ingress' && (incident.what === 'killed' || incident.what === 'ended_by_itself'));
  const holds = incidents.filter((incident) => incident.kind === 'ingress' && incident.what === 'held');
  const bookedBySequence = groupBySequence(books.generations);
  return [
    ...observations.flatMap((observation) => judgeAnswer(observation, kills, holds)),
    ...observations.flatMap((observation) => judgeCharge(observation, bookedBySequence.get(observation.sequence) ?? [], kills)),
    ...judgeStrangers(observations, bookedBySequence),
    ...judgeBooks(books),
    ...(books.attemptCount >= upstreamRequestCount
      ? []
      : [found('each request at a provider has its cost', 'all attempts', `${upstreamRequestCount} requests, ${books.attemptCount} costs`)]),
    ...incidents
      .filter((incident) => incident.what === 'ended_by_itself')
      .map(({ process, detail = '' }) => found('no process ends by itself', process, detail)),
  ];
}

/** What no client may see, whatever the books say. */
function judgeAnswer(observation: Observation, kills: readonly Incident[], holds: readonly Incident[]): Finding[] {
  const { outcome, detail = '' } = observation;
  if (outcome === 'cut_clean') return [found('no clean end on a cut answer', nameOf(observation), detail)];
  if (outcome === 'wrong_text') return [found('a whole answer is what the provider sent', nameOf(observation), detail)];
  if (outcome === 'hung' && !wasUnderWay(observation, holds)) return [found('no request hangs', nameOf(observation), detail)];
  if (outcome === 'reset' && observation.status !== 0 && !wasUnderWay(observation, kills))
    return [found('only a killed ingress cuts its answers', nameOf(observation), detail)];
  return [];
}

/** What a request costs, given how it ended for its client. */
function judgeCharge(observation: Observation, booked: readonly BookedGeneration[], kills: readonly Incident[]): Finding[] {
  const charged = booked.filter((generation) => generation.chargePico > 0n);
  const name = nameOf(observation);
  const double = booked.filter((generation) => generation.chargePostingCount > 1 || booked.length > 1);
  if (double.length > 0) return [found('no request is charged twice', name, describe(double))];
  const [generation] = booked;
  if (observation.outcome === 'whole') return judgeWholeCharge(observation, generation);
  if (charged.length === 0 || observation.outcome === 'left') return [];
  const isExcused = (observation.outcome === 'reset' || observation.outcome === 'hung') && wasUnderWay(observation, kills);
  if (!isExcused && observation.outcome !== 'hung') return [found('what did not arrive is not charged', name, describe(charged))];
  return charged[0]!.flags.includes('delivery_unconfirmed') || observation.outcome === 'hung'
    ? []
    : [found('what may not have arrived is flagged', name, describe(charged))];
}

function judgeWholeCharge(observation: Observation, generation: BookedGeneration | undefined): Finding[] {
  const name = nameOf(observation);
  if (!generation) return [found('what arrived whole is charged', name, 'no charge')];
  if (generation.generationId !== observation.generationId) return [found('what arrived whole is charged', name, `booked as ${generation.generationId}`)];
  if (generation.chargePostingCount !== 1) return [found('what arrived whole is charged', name, describe([generation]))];
  if (Number(generation.chargePico) / PICO_PER_USD === observation.costUsd) return [];
  return [found('the charge is what the answer said', name, `answer ${observation.costUsd}, ${describe([generation])}`)];
}

/** Charges for requests that nobody sent. */
function judgeStrangers(observations: readonly Observation[], bookedBySequence: ReadonlyMap<number, readonly BookedGeneration[]>): Finding[] {
  const known = new Set(observations.map((observation) => observation.sequence));
  return [...bookedBySequence].flatMap(([sequence, booked]) =>
    known.has(sequence) ? [] : [found('only requests are charged', `request ${sequence}`, describe(booked))],
  );
}

function judgeBooks(books: Books): Finding[] {
  const all = (rule: string, subjects: readonly string[]) => subjects.map((subject) => found(rule, subject, ''));
  return [
    ...all('each attempt has its cost', books.attemptsWithoutCost),
    ...all('each cost has its generation', books.costsWithoutGeneration),
    ...all('each attempt has one cost', books.doubleCosts),
    ...all('every lease is resolved', books.unresolvedLeases),
    ...all('what events name is what was settled', books.unevenLeases),
    ...all('analytics has what billing has', books.unevenAnalytics),
    ...(books.ledgerSumPico === 0n ? [] : [found('the ledger sums to zero', 'ledger', `${books.ledgerSumPico} pico`)]),
    ...(books.deadLetterCount === 0 ? [] : [found('no event is refused', 'dead-letter topic', `${books.deadLetterCount} events`)]),
  ];
}

function groupBySequence(generations: readonly BookedGeneration[]): Map<number, BookedGeneration[]> {
  const groups = new Map<number, BookedGeneration[]>();
  for (const generation of generations) {
    const sequence = Number(/^chaos-(\d+)$/.exec(generation.user ?? '')?.[1] ?? -1);
    groups.set(sequence, [...(groups.get(sequence) ?? []), generation]);
  }
  return groups;
}

function wasUnderWay(observation: Observation, incidents: readonly Incident[]): boolean {
  return incidents.some(
    ({ process, atMs }) => process === observation.ingress && atMs >= observation.sentAtMs - NOTE_LAG_MS && atMs <= observation.endedAtMs + NOTE_LAG_MS,
  );
}

function nameOf({ sequence, ingress, generationId, isStreamed, model }: Observation): string {
  return `request ${sequence} (${isStreamed ? 'streamed' : 'whole'}, ${model}, ${ingress}, ${generationId ?? 'no id'})`;
}

function describe(generations: readonly BookedGeneration[]): string {
  return generations
    .map(
      ({ generationId, chargePico, end, flags, chargePostingCount }) =>
        `${generationId}: ${chargePico} pico in ${chargePostingCount} postings, ${end}, flags [${flags.join(', ')}]`,
    )
    .join('; ');
}

function found(rule: string, subject: string, detail: string): Finding {
  return { rule, subject, detail };
}
