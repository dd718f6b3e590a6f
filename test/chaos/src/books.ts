import { createPool } from '@switchyard/db';
import { KafkaEventLog, TOPICS } from '@switchyard/events';
import { captureLogger } from '@switchyard/testing';
import { Kafka, logLevel } from 'kafkajs';
import type { Pool } from 'pg';

/** One generation as billing has it. */
export interface BookedGeneration {
  readonly generationId: string;
  /** The client's name for its request. */
  readonly user: string;
  readonly chargePico: bigint;
  readonly flags: readonly string[];
  readonly end: string;
  /** Transactions of the ledger that charge it. */
  readonly chargePostingCount: number;
}

/** What the databases and the broker say after a run. Everything but `generations` and `resolutions` lists what must not be there. */
export interface Books {
  readonly generations: readonly BookedGeneration[];
  /** How leases were resolved, and how many. */
  readonly resolutions: Readonly<Record<string, number>>;
  readonly attemptCount: number;
  readonly attemptsWithoutCost: readonly string[];
  readonly costsWithoutGeneration: readonly string[];
  readonly doubleCosts: readonly string[];
  /** Sum over all entries of the ledger: 0. */
  readonly ledgerSumPico: bigint;
  readonly unresolvedLeases: readonly string[];
  /** Leases against which another amount was settled than the events name. */
  readonly unevenLeases: readonly string[];
  /** Generations that analytics does not have exactly once, or that billing does not have. */
  readonly unevenAnalytics: readonly string[];
  readonly deadLetterCount: number;
}

const GENERATIONS = `
  SELECT charges.generation_id AS "generationId", coalesce(document, body::jsonb)->>'user' AS "user", charge_pico AS "chargePico", flags, generation_end AS "end",
         coalesce(posted.count, 0) AS "chargePostingCount"
    FROM billing.charges JOIN billing.usage_events USING (event_id)
    LEFT JOIN (SELECT generation_id, count(*)::int FROM billing.ledger_transactions WHERE kind = 'charge' GROUP BY 1) posted ON posted.generation_id = charges.generation_id`;
/** What was cancelled or refused before a provider was called costs nothing, and nobody reports it. */
const ATTEMPTS_WITHOUT_COST = `
  SELECT attempt_id AS subject
    FROM billing.usage_events, jsonb_array_elements(coalesce(document, body::jsonb)->'attempts') attempt, concat(generation_id, ':', coalesce(attempt->>'index', '0')) attempt_id
   WHERE event_type = 'generation' AND NOT (coalesce(attempt->>'status', '0') = '0' AND coalesce(attempt->>'errorType', '') IN ('', 'gateway_unavailable') AND coalesce(document, body::jsonb)->>'end' <> 'GENERATION_END_COMPLETED')
     AND NOT EXISTS (SELECT 1 FROM billing.attempt_costs WHERE attempt_costs.attempt_id = attempt_id.attempt_id)`;
const COSTS_WITHOUT_GENERATION = `
  SELECT attempt_id AS subject FROM billing.attempt_costs WHERE NOT EXISTS (SELECT 1 FROM billing.charges WHERE charges.generation_id = attempt_costs.generation_id)`;
const DOUBLE_COSTS = `
  SELECT transaction_id::text AS subject FROM billing.ledger_transactions
   WHERE kind = 'cost' AND NOT EXISTS (SELECT 1 FROM billing.attempt_costs WHERE attempt_costs.event_id = transaction_id)`;
const UNRESOLVED_LEASES = `
  SELECT concat(lease_id, ' of ', holder_id, ': ', granted, ' granted, ', released, ' released, ', settled, ' settled, closed: ', is_closed) AS subject
    FROM billing.leases WHERE resolved_at_ms IS NULL`;
const UNEVEN_LEASES = `
  WITH named AS (
    SELECT (part->>'leaseId')::uuid AS lease_id, sum((part->>'amount')::numeric) AS amount
      FROM billing.usage_events, jsonb_array_elements(coalesce(document, body::jsonb)->'leases') part WHERE event_type = 'generation' GROUP BY 1)
  SELECT concat(lease_id, ': events name ', coalesce(amount, 0), ', settled ', coalesce(settled, 0)) AS subject
    FROM billing.leases FULL JOIN named USING (lease_id) WHERE coalesce(amount, 0) <> coalesce(settled, 0)`;
const UNEVEN_ANALYTICS = `
  SELECT concat(generation_id, ': ', coalesce(known.count, 0), ' in analytics, ', CASE WHEN event_id IS NULL THEN 0 ELSE 1 END, ' in billing') AS subject
    FROM billing.charges FULL JOIN (SELECT generation_id, count(*) FROM analytics.generation GROUP BY 1) known USING (generation_id)
   WHERE known.count IS DISTINCT FROM 1 OR event_id IS NULL`;

const CONSUMER_GROUPS = ['billing', 'analytics'];

/** Reads what a run left, past the platform: on its database and its broker. */
export class BookReader {
  private readonly pool: Pool;
  private readonly eventLog: KafkaEventLog;

  constructor(
    databaseUrl: string,
    private readonly kafkaBrokers: readonly string[],
  ) {
    this.pool = createPool(databaseUrl, { max: 2, applicationName: 'chaos', statementTimeoutMs: 300_000 });
    this.eventLog = new KafkaEventLog({ brokers: kafkaBrokers, clientId: 'chaos', logger: captureLogger() });
  }

  async read(): Promise<Books> {
    const { rows: generations } = await this.pool.query<Omit<BookedGeneration, 'flags'> & { flags: string }>(GENERATIONS);
    const { rows: resolutions } = await this.pool.query<{ resolution: string; count: bigint }>(
      `SELECT coalesce(resolution, 'none') AS resolution, count(*) FROM billing.leases GROUP BY 1`,
    );
    const { rows: sums } = await this.pool.query<{ sum: string; attempts: bigint }>(
      'SELECT coalesce(sum(amount_pico), 0)::text AS sum, (SELECT count(*) FROM billing.attempt_costs) AS attempts FROM billing.ledger_entries',
    );
    return {
      generations: generations.map((row) => ({ ...row, flags: row.flags === '' ? [] : row.flags.split(',') })),
      resolutions: Object.fromEntries(resolutions.map((row) => [row.resolution, Number(row.count)])),
      attemptCount: Number(sums[0]!.attempts),
      attemptsWithoutCost: await this.subjects(ATTEMPTS_WITHOUT_COST),
      costsWithoutGeneration: await this.subjects(COSTS_WITHOUT_GENERATION),
      doubleCosts: await this.subjects(DOUBLE_COSTS),
      ledgerSumPico: BigInt(sums[0]!.sum),
      unresolvedLeases: await this.subjects(UNRESOLVED_LEASES),
      unevenLeases: await this.subjects(UNEVEN_LEASES),
      unevenAnalytics: await this.subjects(UNEVEN_ANALYTICS),
      deadLetterCount: await this.deadLetterCount(),
    };
  }

  /** Events that a consumer has yet to take. */
  async lag(): Promise<bigint> {
    const lags = await Promise.all(CONSUMER_GROUPS.map((group) => this.eventLog.lag(group)));
    return lags.reduce((sum, lag) => sum + lag, 0n);
  }

  async unresolvedLeaseCount(): Promise<number> {
    return (await this.subjects(UNRESOLVED_LEASES)).length;
  }

  /** Of these generations, those that billing has no end of. */
  async unended(generationIds: readonly string[]): Promise<string[]> {
    const { rows } = await this.pool.query<{ subject: string }>(
      `SELECT wanted AS subject FROM unnest($1::text[]) wanted WHERE NOT EXISTS (SELECT 1 FROM billing.charges WHERE generation_id = wanted)`,
      [generationIds],
    );
    return rows.map((row) => row.subject);
  }

  async chargedUsd(accountId: string): Promise<number> {
    const { rows } = await this.pool.query<{ sum: string }>('SELECT coalesce(sum(charge_pico), 0)::text AS sum FROM billing.charges WHERE account_id = $1', [
      accountId,
    ]);
    return Number(rows[0]!.sum) / 1e12;
  }

  async close(): Promise<void> {
    await Promise.all([this.pool.end(), this.eventLog.close()]);
  }

  private async subjects(sql: string): Promise<string[]> {
    const { rows } = await this.pool.query<{ subject: string }>(sql);
    return rows.map((row) => row.subject);
  }

  private async deadLetterCount(): Promise<number> {
    const admin = new Kafka({ clientId: 'chaos-dead-letters', brokers: [...this.kafkaBrokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    try {
      if (!(await admin.listTopics()).includes(TOPICS.deadLetter)) return 0;
      return (await admin.fetchTopicOffsets(TOPICS.deadLetter)).reduce((sum, { high }) => sum + Number(high), 0);
    } finally {
      await admin.disconnect();
    }
  }
}
