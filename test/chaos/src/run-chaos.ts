import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { call, Customer } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { OUTCOMES, type Outcome } from './answer.js';
import { BookReader, type Books } from './books.js';
import { ChaosPlatform, type Deadlines, type Replicas } from './chaos-platform.js';
import { ClientLoad, type Observation } from './client-load.js';
import { describeFault, planRounds, PROCESS_KINDS, roundLengthMs, type PlannedFault, type ProcessKind, type Round } from './fault-plan.js';
import { Recorder } from './recorder.js';
import { CHAOS_MODELS, Upstreams } from './upstreams.js';
import { judge, type Finding } from './verdict.js';

export interface ChaosOptions {
  readonly seed: number;
  /** Rounds begin until this time is over, or until as many were made. */
  readonly forMs: number;
  readonly maxRounds?: number;
  readonly replicas: Replicas;
  readonly deadlines: Deadlines;
  readonly shortMs: number;
  readonly longMs: number;
  readonly clientCount: number;
  readonly pauseMs: number;
  /** Instead of the plan that the seed gives. */
  readonly rounds?: Iterable<Round>;
  readonly say: (text: string) => void;
  /** Logs and data stay for a look. */
  readonly keepsFolder?: boolean;
}

export interface ChaosReport {
  readonly findings: readonly Finding[];
  readonly roundCount: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
  readonly actions: Readonly<Record<ProcessKind, { readonly killed: number; readonly held: number; readonly stopped: number }>>;
  readonly harmedLinkCount: number;
  readonly books: Books;
  readonly upstreamRequestCount: number;
  /** What `switchyard ledger verify` printed. */
  readonly ledgerVerification: string;
  /** The longest time after a round until every ingress answered again, and what came of it. */
  readonly slowestRecoveryMs: number;
}

const PROGRAM = resolve(import.meta.dirname, '../../../services/all/dist/main.js');
const CUSTOMER_COUNT = 3;
/** Of each customer's keys beside its first: every kind of lease is in use. */
const KEY_SETTINGS = [{ limit: 500 }, { limit: 500, limit_reset: 'daily', requests_per_minute: 100_000, tokens_per_minute: 1_000_000_000 }];
/** Far more than a run can spend: this is not about refusals for want of money. */
const CREDIT_USD = '1000';
const RECOVERY_WITHIN_MS = 60_000;
const TOLD_RECOVERY_MS = 3_000;
const SETTLED_WITHIN_MS = 120_000;
const API_SAMPLE_SIZE = 20;

/** Load, faults in rounds, and the verdict on everything that clients saw and the platform booked. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const upstreams = await Upstreams.start();
  const recorder = new Recorder(options.say);
  try {
    const { replicas, deadlines, keepsFolder = false } = options;
    const platform = await ChaosPlatform.start({ replicas, deadlines, catalog: upstreams.catalog, recorder, keepsFolder });
    options.say(`The platform runs; its logs are in ${platform.logFolder}`);
    try {
      return await new Run(options, platform, upstreams, recorder).run();
    } finally {
      await platform.remove();
    }
  } finally {
    await upstreams.close();
  }
}

class Run {
  private readonly findings: Finding[] = [];
  private readonly reader: BookReader;
  private roundCount = 0;
  private harmedLinkCount = 0;
  private slowestRecoveryMs = 0;

  constructor(
    private readonly options: ChaosOptions,
    private readonly platform: ChaosPlatform,
    private readonly upstreams: Upstreams,
    private readonly recorder: Recorder,
  ) {
    this.reader = new BookReader(platform.databaseUrl, platform.kafkaBrokers);
  }

  async run(): Promise<ChaosReport> {
    const customers = await this.createCustomers();
    try {
      const load = await this.newLoad(customers);
      load.start();
      await this.playRounds(load);
      this.platform.healEverything();
      await load.stop();
      await this.platform.untilReady();
      this.options.say(`${load.observations.length} requests were sent; waiting until everything is booked`);
      await this.settle(load.observations);
      await this.comparePublicApi(load.observations, customers);
      return await this.report(load.observations);
    } finally {
      for (const customer of customers) customer.close();
      await this.reader.close();
    }
  }

  private async createCustomers(): Promise<Customer[]> {
    const { ingressUrls, grpcAddress } = { ingressUrls: this.platform.ingressUrls, grpcAddress: this.platform.grpcAddress('billing') };
    const place = { baseUrl: ingressUrls[0]!, grpcAddresses: { billing: grpcAddress } };
    return Promise.all(Array.from({ length: CUSTOMER_COUNT }, () => Customer.create(place, CREDIT_USD)));
  }

  private async newLoad(customers: readonly Customer[]): Promise<ClientLoad> {
    const { seed, clientCount, pauseMs, longMs } = this.options;
    const keys: string[] = [];
    for (const customer of customers) {
      keys.push(customer.apiKey);
      for (const settings of KEY_SETTINGS) keys.push((await customer.newKey(settings)).secret);
    }
    const patienceMs = longMs + 90_000;
    return new ClientLoad({ seed, ingresses: this.ingresses, keys, models: CHAOS_MODELS, clientCount, pauseMs, patienceMs });
  }

  private get ingresses(): { name: string; url: string }[] {
    return this.platform.ingressNames.map((name, index) => ({ name, url: this.platform.ingressUrls[index]! }));
  }

  private async playRounds(load: ClientLoad): Promise<void> {
    const { seed, forMs, maxRounds = Number.POSITIVE_INFINITY, shortMs, longMs, rounds = planRounds({ seed, shortMs, longMs }), say } = this.options;
    const endMs = performance.now() + forMs;
    for (const round of rounds) {
      if (performance.now() >= endMs || this.roundCount >= maxRounds) return;
      this.roundCount++;
      say(`round ${round.number}: ${round.faults.map(describeFault).join('; ')}`);
      await Promise.all(round.faults.map((fault) => this.play(fault)));
      await this.recover(load, round);
    }
  }

  private async play(fault: PlannedFault): Promise<void> {
    await pause(fault.afterMs);
    if (fault.action === 'harm') {
      const proxy = this.platform.link(fault.link, fault.instance);
      proxy.harm(fault.fault);
      this.harmedLinkCount++;
      await pause(fault.forMs);
      proxy.heal();
      return;
    }
    const controlled = this.platform.process(fault.kind, fault.instance);
    if (fault.action === 'kill') controlled.kill();
    if (fault.action === 'stop') controlled.stop();
    if (fault.action !== 'hold') return;
    controlled.hold();
    await pause(fault.forMs);
    controlled.resume();
  }

  /** Nobody lends a hand: every ingress has to answer again by itself. */
  private async recover(load: ClientLoad, round: Round): Promise<void> {
    const startMs = performance.now();
    const waits = await Promise.all(this.ingresses.map((ingress) => this.untilAnswered(load, ingress, round)));
    const tookMs = performance.now() - startMs;
    if (tookMs > this.slowestRecoveryMs) this.slowestRecoveryMs = tookMs;
    const { length } = load.observations;
    this.options.say(`  every ingress answered again ${Math.round(tookMs)} ms after its ${Math.round(roundLengthMs(round))} ms; ${length} requests so far`);
    if (tookMs > TOLD_RECOVERY_MS) this.options.say(`  ${waits.filter((wait) => wait !== '').join('; ')}`);
  }

  /** Resolves with what it answered before it answered whole. */
  private async untilAnswered(load: ClientLoad, ingress: { name: string; url: string }, round: Round): Promise<string> {
    const startMs = performance.now();
    const failures: string[] = [];
    const probe = async () => {
      const { outcome, detail = '' } = await load.ask(ingress);
      if (outcome === 'whole') return;
      failures.push(`${outcome} ${detail}`.slice(0, 80));
      throw new Error(`${outcome} ${detail}`);
    };
    try {
      await eventually(probe, { timeoutMs: RECOVERY_WITHIN_MS, intervalMs: 200 });
    } catch (error) {
      this.find('recovery needs no hand', `${ingress.name} after round ${round.number}`, String(error));
    }
    const counts = new Map<string, number>();
    for (const failure of failures) counts.set(failure, (counts.get(failure) ?? 0) + 1);
    const told = [...counts].map(([failure, count]) => `${count} × ${failure}`).join(', ');
    return told === '' ? '' : `${ingress.name} for ${Math.round(performance.now() - startMs)} ms: ${told}`;
  }

  /** Until the books are complete: every answer has its charge, no event waits, no lease is open, and what the spools kept is published. */
  private async settle(observations: readonly Observation[]): Promise<void> {
    const whole = observations.filter((observation) => observation.outcome === 'whole').flatMap((observation) => observation.generationId ?? []);
    await this.within('what arrived whole is charged', SETTLED_WITHIN_MS, async () => (await this.reader.unended(whole)).join(', '));
    await this.within('no event waits', SETTLED_WITHIN_MS, async () => describeCount(Number(await this.reader.lag()), 'events'));
    const leasesWithinMs = this.options.deadlines.leaseAbandonAfterMs + 30_000;
    await this.within('every lease is resolved in its time', leasesWithinMs, async () => describeCount(await this.reader.unresolvedLeaseCount(), 'leases'));
  }

  private async within(rule: string, timeoutMs: number, problemOf: () => Promise<string>): Promise<void> {
    const problem = async () => {
      const text = await problemOf();
      if (text !== '') throw new Error(text.slice(0, 500));
    };
    await eventually(problem, { timeoutMs, intervalMs: 250 }).catch((error: unknown) => this.find(rule, `after ${timeoutMs} ms`, String(error)));
  }

  /** What customers can read agrees with what they were told, and with the ledger. */
  private async comparePublicApi(observations: readonly Observation[], customers: readonly Customer[]): Promise<void> {
    const whole = observations.filter((observation) => observation.outcome === 'whole');
    const sample = whole.filter((_, index) => index % Math.max(1, Math.floor(whole.length / API_SAMPLE_SIZE)) === 0);
    for (const observation of sample) {
      const answers = await Promise.all(
        customers.map((customer) => customer.call<{ data?: { total_cost?: number } }>(`/generation?id=${observation.generationId}`)),
      );
      const costs = answers.flatMap(({ status, body }) => (status === 200 ? [body.data?.total_cost] : []));
      if (costs.length !== 1 || costs[0] !== observation.costUsd) {
        this.find('/generation agrees with usage.cost', String(observation.generationId), `said ${observation.costUsd}, shows ${JSON.stringify(costs)}`);
      }
    }
    for (const customer of customers) await this.compareCredits(customer);
  }

  private async compareCredits(customer: Customer): Promise<void> {
    const { body } = await call<{ data: { total_credits: number; total_usage: number } }>(this.platform.ingressUrls[0]!, '/credits', {
      key: customer.managementKey,
    });
    const chargedUsd = await this.reader.chargedUsd(customer.accountId);
    if (Math.abs(body.data.total_usage - chargedUsd) > 1e-9) {
      this.find('/credits agrees with the ledger', customer.accountId, `shows ${body.data.total_usage}, charged ${chargedUsd}`);
    }
  }

  private async report(observations: readonly Observation[]): Promise<ChaosReport> {
    const ledgerVerification = await this.verifyLedger();
    await this.platform.endServices(['ingress', 'worker']);
    this.checkSpools();
    await this.within('no event waits', SETTLED_WITHIN_MS, async () => describeCount(Number(await this.reader.lag()), 'events'));
    const books = await this.reader.read();
    const { incidents } = this.recorder;
    return {
      findings: [...this.findings, ...judge({ observations, incidents, books, upstreamRequestCount: this.upstreams.requestCount })],
      roundCount: this.roundCount,
      outcomes: Object.fromEntries(
        OUTCOMES.map((outcome) => [outcome, observations.filter((observation) => observation.outcome === outcome).length]),
      ) as Record<Outcome, number>,
      actions: Object.fromEntries(
        PROCESS_KINDS.map((kind) => [
          kind,
          { killed: this.recorder.countOf(kind, 'killed'), held: this.recorder.countOf(kind, 'held'), stopped: this.recorder.countOf(kind, 'stopped') },
        ]),
      ) as ChaosReport['actions'],
      harmedLinkCount: this.harmedLinkCount,
      books,
      upstreamRequestCount: this.upstreams.requestCount,
      ledgerVerification,
      slowestRecoveryMs: this.slowestRecoveryMs,
    };
  }

  private async verifyLedger(): Promise<string> {
    const environment = { PATH: process.env['PATH'] ?? '', SWITCHYARD_BILLING_ADDRESS: this.platform.grpcAddress('billing') };
    const result = await promisify(execFile)(process.execPath, [PROGRAM, 'ledger', 'verify'], { env: environment }).catch(
      (error: { stdout?: string; stderr?: string }) => ({ stdout: `${error.stdout ?? ''}${error.stderr ?? ''}` }),
    );
    const text = result.stdout.trim();
    if (!text.endsWith('no differences.')) this.find('the ledger verifies', 'switchyard ledger verify', text);
    return text;
  }

  /** After everything ended politely nothing is left to publish. */
  private checkSpools(): void {
    for (const kind of ['ingress', 'worker'] as const) {
      for (const folder of this.platform.spoolFolders(kind)) {
        const left = existsSync(folder)
          ? readdirSync(folder, { recursive: true })
              .map(String)
              .filter((name) => name.endsWith('.segment'))
          : [];
        if (left.length > 0) this.find('a stopped process leaves nothing in its spool', folder, left.map((name) => join(folder, name)).join(', '));
      }
    }
  }

  private find(rule: string, subject: string, detail: string): void {
    this.findings.push({ rule, subject, detail });
    this.options.say(`  FOUND: ${rule}: ${subject}: ${detail.slice(0, 300)}`);
  }
}

function describeCount(count: number, what: string): string {
  return count === 0 ? '' : `${count} ${what}`;
}

function pause(durationMs: number): Promise<void> {
  return new Promise((done) => setTimeout(done, durationMs));
}
