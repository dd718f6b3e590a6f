import type { Clock } from '@switchyard/core';
import { withTransaction } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import type { billing, CallOptions, LedgerPort } from '@switchyard/proto';
import type { Pool } from 'pg';
import { explanationText } from './core/explanation-text.js';
import { explainGeneration, leaseUsesOf, type ExplanationSource } from './core/generation-explanation.js';
import { FinanceReports, type FinanceReportsOptions } from './finance-reports.js';
import { findAttempts, findCharge, findNamedLeases, findNames, findPostings } from './generation-record.store.js';
import { AUDIT_CHECKS, prepareAudit, runAudit } from './ledger-audit.store.js';
import { countJournal, flaggedThings, readFlagCounts, readTotals } from './ledger-summary.store.js';
import { LongReads } from './long-reads.js';
import { requireId } from './request-checks.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SNAPSHOT = { isolation: 'REPEATABLE READ', readOnly: true } as const;

/** So many reports and verifications run at a time in one process. */
const MAX_LONG_READS = 3;

/** Answers for every posting. */
export class LedgerService implements LedgerPort {
  private readonly reports: FinanceReports;
  private readonly longReads = new LongReads(MAX_LONG_READS);

  constructor(
    private readonly pool: Pool,
    private readonly clock: Clock,
    options: FinanceReportsOptions,
  ) {
    this.reports = new FinanceReports(pool, clock, options);
  }

  /** @throws SwitchyardError `invalid_request`, `not_found` when nothing of the generation was posted (yet), or it is another account's */
  async explainGeneration(request: billing.ExplainGenerationRequest): Promise<billing.ExplainGenerationResponse> {
    const generationId = requireId(request.generationId, 'generation_id');
    const source = await withTransaction(
      this.pool,
      async (client) => {
        const charge = await findCharge(client, generationId);
        const leaseIds = leaseUsesOf(charge?.document)
          .map((use) => use.leaseId)
          .filter((id) => UUID.test(id));
        return {
          generationId,
          charge,
          names: await findNames(client, generationId),
          attempts: await findAttempts(client, generationId),
          postings: await findPostings(client, generationId),
          leases: (await findNamedLeases(client, leaseIds)).map((lease) => ({ ...lease })),
        };
      },
      SNAPSHOT,
    );
    if (!belongsTo(source, request.accountId)) throw new SwitchyardError('not_found', 'Billing knows nothing of this generation.');
    const explanation = explainGeneration(source);
    return { explanationJson: JSON.stringify(explanation), explanationText: explanationText(explanation) };
  }

  /** Reads every record, unless whoever asked for it leaves; the database aggregates, so memory stays bounded. @throws SwitchyardError `rate_limit_exceeded`, `timeout` */
  async verifyLedger(_request?: billing.VerifyLedgerRequest, callOptions?: CallOptions): Promise<billing.VerifyLedgerResponse> {
    return this.longReads.run(() =>
      withTransaction(
        this.pool,
        async (client) => {
          await prepareAudit(client);
          const nowMs = this.clock.nowMs();
          return {
            differences: await runAudit(client, AUDIT_CHECKS),
            flagged: await runAudit(client, flaggedThings(nowMs)),
            flagCounts: await readFlagCounts(client, nowMs),
            checks: AUDIT_CHECKS.map(({ name }) => name),
            totals: await readTotals(client),
            ...(await countJournal(client)),
          };
        },
        { ...SNAPSHOT, signal: callOptions?.signal },
      ),
    );
  }

  /** @throws SwitchyardError `invalid_request`, `rate_limit_exceeded`, `timeout` */
  async listSpend(request: billing.ListSpendRequest, callOptions?: CallOptions): Promise<billing.ListSpendResponse> {
    return this.longReads.run(() => this.reports.listSpend(request, callOptions?.signal));
  }

  /** @throws SwitchyardError `invalid_request`, `not_found`, `rate_limit_exceeded`, `timeout` */
  async getStatement(request: billing.GetStatementRequest, callOptions?: CallOptions): Promise<billing.GetStatementResponse> {
    return this.longReads.run(() => this.reports.getStatement(request, callOptions?.signal));
  }
}

/** Something of the generation was posted, and for this account when one is named. */
function belongsTo({ charge, attempts }: ExplanationSource, accountId: string | undefined): boolean {
  const documents = [...(charge ? [charge.document] : []), ...attempts.map((attempt) => attempt.document)];
  return documents.some((document) => accountId === undefined || document['accountId'] === accountId);
}
