import { insertOnce } from '@switchyard/db';
import { events } from '@switchyard/proto';
import { canonicalEventId } from './generation.store.js';

const MAX_INTEGER = 2_147_483_647n;

/** Returns those that were not there yet. */
export const insertAttempts = insertOnce<events.AttemptCompleted>({
  table: 'attempt',
  columns: {
    event_id: ['uuid', (attempt) => attempt.eventId],
    attempt_id: ['text', (attempt) => attempt.attemptId],
    generation_id: ['text', (attempt) => attempt.generationId],
    endpoint_id: ['text', (attempt) => attempt.endpointId],
    provider_slug: ['text', (attempt) => attempt.providerSlug],
    is_from_worker: ['boolean', (attempt) => attempt.reporter === events.AttemptReporter.WORKER],
    outcome: ['text', (attempt) => attempt.outcome],
    end_time_ms: ['bigint', (attempt) => attempt.endTimeMs],
    first_token_ms: ['integer', ({ firstTokenMs }) => (firstTokenMs === undefined || firstTokenMs > MAX_INTEGER ? null : firstTokenMs)],
    output_tokens: ['bigint', (attempt) => attempt.outputTokens],
    cost_pico: ['bigint', (attempt) => attempt.costPico],
  },
  key: 'event_id',
  identity: ['event_id', (attempt) => canonicalEventId(attempt.eventId)],
});
