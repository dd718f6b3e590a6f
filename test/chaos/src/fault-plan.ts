import { seededRandom } from '@switchyard/testing';
import type { LinkFault } from './tcp-proxy.js';

/** Processes that can be killed, stopped and held, by kind. */
export const PROCESS_KINDS = ['ingress', 'worker', 'router', 'billing', 'analytics', 'kafka', 'postgres'] as const;
export type ProcessKind = (typeof PROCESS_KINDS)[number];

/** What ends by SIGTERM in a rolling update. */
const STOPPABLE = ['ingress', 'worker', 'router', 'billing', 'analytics'] as const satisfies readonly ProcessKind[];

/** Links between processes that can be harmed, `<from>-<to>`; `any` is every service that has the link. */
export const LINKS = ['ingress-worker', 'ingress-billing', 'ingress-router', 'router-analytics', 'any-kafka', 'any-postgres'] as const;
export type Link = (typeof LINKS)[number];

/** One thing that goes wrong, `afterMs` from the beginning of its round. `instance` picks one of the kind's processes or links: modulo their number. */
export type PlannedFault =
  | { readonly action: 'kill' | 'stop'; readonly kind: ProcessKind; readonly instance: number; readonly afterMs: number }
  | { readonly action: 'hold'; readonly kind: ProcessKind; readonly instance: number; readonly afterMs: number; readonly forMs: number }
  | { readonly action: 'harm'; readonly link: Link; readonly instance: number; readonly fault: LinkFault; readonly afterMs: number; readonly forMs: number };

export interface Round {
  readonly number: number;
  readonly faults: readonly PlannedFault[];
}

export interface FaultPlanOptions {
  readonly seed: number;
  /** A held process and a harmed link come back after between a half and the whole of this. */
  readonly shortMs: number;
  /** As long as every deadline of the platform: one hold of each kind in each deck takes this. */
  readonly longMs: number;
}

type Card = ((random: Random) => PlannedFault) & { readonly subject: string };
type Random = ReturnType<typeof seededRandom>;

const KILLS_PER_DECK = 6;
const MAX_START_MS = 1_500;
const PAIR_SHARE = 0.6;

/**
 * Rounds without end, the same for the same seed. Faults are dealt from a shuffled deck that holds each of them, so that every kind is killed, held and cut
 * off equally often however short the run; most rounds hold two of different subjects at about the same time.
 */
export function* planRounds(options: FaultPlanOptions): Generator<Round, never> {
  const random = seededRandom(options.seed);
  let deck: Card[] = [];
  for (let number = 1; ; number++) {
    if (deck.length === 0) deck = shuffled(newDeck(options), random);
    const cards = [deck.pop()!];
    if (random.nextFloat() < PAIR_SHARE) {
      const second = deck.findLastIndex((card) => card.subject !== cards[0]!.subject);
      if (second >= 0) cards.push(...deck.splice(second, 1));
    }
    yield { number, faults: cards.map((card) => card(random)) };
  }
}

/** When the last fault of a round is over, from its beginning. */
export function roundLengthMs(round: Round): number {
  return Math.max(...round.faults.map((fault) => fault.afterMs + ('forMs' in fault ? fault.forMs : 0)));
}

/** One line for people. */
export function describeFault(fault: PlannedFault): string {
  const when = `after ${Math.round(fault.afterMs)} ms`;
  if (fault.action === 'harm') {
    const what = fault.fault.kind === 'delay' ? `delay of ${fault.fault.delayMs} ms` : fault.fault.kind.replace('_', ' ');
    return `${what} between ${fault.link.replace('-', ' and ')} (${fault.instance}) ${when} for ${Math.round(fault.forMs)} ms`;
  }
  const word = { kill: 'SIGKILL', stop: 'SIGTERM', hold: 'SIGSTOP' }[fault.action];
  return `${word} of ${fault.kind} (${fault.instance}) ${when}${fault.action === 'hold' ? ` for ${Math.round(fault.forMs)} ms` : ''}`;
}

function newDeck({ shortMs, longMs }: FaultPlanOptions): Card[] {
  const duration = (random: Random) => shortMs * (0.5 + random.nextFloat() / 2);
  const holdCards = PROCESS_KINDS.flatMap((kind) => [
    card(kind, (random) => ({ action: 'hold', kind, ...drawn(random), forMs: duration(random) })),
    card(kind, (random) => ({ action: 'hold', kind, ...drawn(random), forMs: longMs })),
  ]);
  const killCards = PROCESS_KINDS.flatMap((kind) =>
    Array.from({ length: KILLS_PER_DECK }, () => card(kind, (random) => ({ action: 'kill', kind, ...drawn(random) }))),
  );
  const stopCards = STOPPABLE.map((kind) => card(kind, (random) => ({ action: 'stop', kind, ...drawn(random) })));
  const harmCards = LINKS.map((link) =>
    card(link, (random) => ({ action: 'harm', link, fault: drawLinkFault(random), ...drawn(random), forMs: duration(random) })),
  );
  return [...killCards, ...holdCards, ...stopCards, ...harmCards];
}

function card(subject: string, deal: (random: Random) => PlannedFault): Card {
  return Object.assign((random: Random) => deal(random), { subject });
}

function drawn(random: Random): { instance: number; afterMs: number } {
  return { instance: Math.floor(random.nextFloat() * 1_000), afterMs: random.nextFloat() * MAX_START_MS };
}

function drawLinkFault(random: Random): LinkFault {
  const faults: readonly LinkFault[] = [{ kind: 'cut' }, { kind: 'delay', delayMs: 200 }, { kind: 'black_hole' }, { kind: 'half_open' }];
  return faults[Math.floor(random.nextFloat() * faults.length)]!;
}

function shuffled(cards: Card[], random: Random): Card[] {
  for (let index = cards.length - 1; index > 0; index--) {
    const other = Math.floor(random.nextFloat() * (index + 1));
    [cards[index], cards[other]] = [cards[other]!, cards[index]!];
  }
  return cards;
}
