import { withTransaction } from '@switchyard/db';
import { SwitchyardError } from '@switchyard/errors';
import type { billing, LedgerPort } from '@switchyard/proto';
import type { Pool } from 'pg';
import { explainGeneration, leaseUsesOf } from './core/generation-explanation.js';
import { findAttempts, findCharge, findNamedLeases, findPostings } from './generation-record.store.js';
import { AUDIT_CHECKS, countJournal, FLAGGED, runAudit } from './ledger-audit.store.js';
import { requireId } from './request-checks.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SNAPSHOT = { isolation: 'REPEATABLE READ', readOnly: true } as const;

/** Answers for every posting. */
export class LedgerService implements LedgerPort {
  constructor(private readonly pool: Pool) {}

  /** @throws SwitchyardError `invalid_request`, `not_found` when nothing of the generation was posted (yet) */
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
          attempts: await findAttempts(client, generationId),
          postings: await findPostings(client, generationId),
          leases: (await findNamedLeases(client, leaseIds)).map((lease) => ({ ...lease })),
        };
      },
      SNAPSHOT,
    );
    if (!source.charge && source.attempts.length === 0) throw new SwitchyardError('not_found', 'Billing knows nothing of this generation.');
    return { explanationJson: JSON.stringify(explainGeneration(source)) };
  }

  /** Reads the whole journal; the database aggregates. */
  async verifyLedger(): Promise<billing.VerifyLedgerResponse> {
    return withTransaction(
      this.pool,
      async (client) => ({
        differences: await runAudit(client, AUDIT_CHECKS),
        flagged: await runAudit(client, FLAGGED),
        ...(await countJournal(client)),
      }),
      SNAPSHOT,
    );
  }
}
