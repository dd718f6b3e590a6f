import { describe, expect, it } from '@jest/globals';
import { manualClock, seededRandom } from '@switchyard/testing';
import { decide } from './decide.js';
import type { RoutingRefusal } from './routing-plan.js';
import type { RoutingRequest } from './routing-request.js';
import type { RoutingTable } from './routing-table.js';
import { chatRequest, endpointRecord, modelRecord, refusalOf, START_MS, tableOf, writerTable } from './testing/table-fixtures.js';

function refused(table: RoutingTable, request: Partial<RoutingRequest>): RoutingRefusal {
  return refusalOf(decide(table, chatRequest(request), {}, manualClock(START_MS), seededRandom(1)));
}

describe('a refusal', () => {
  it('R05 says that what provider.order names is nowhere to be had', () => {
    const table = tableOf([modelRecord('acme/writer'), modelRecord('acme/poet')], [endpointRecord('acme/writer', 'a'), endpointRecord('acme/poet', 'b')]);
    expect(refused(table, { provider: { order: ['b'], allow_fallbacks: false } })).toMatchObject({
      httpStatus: 404,
      message: 'No provider that provider.order names offers acme/writer, and provider.allow_fallbacks is false.',
      availability: { code: 'no_endpoints', excluded_by: ['allow_fallbacks'] },
    });
  });

  it('names a provider that nobody knows', () => {
    const table = writerTable({ a: {}, b: {} });
    expect(refused(table, { provider: { order: ['zeta'], allow_fallbacks: false } }).message).toContain(
      'provider.order names zeta, which is no provider here.',
    );
    expect(refused(table, { provider: { only: ['zeta'] } }).message).toContain('provider.only names zeta, which is no provider here.');
  });

  it('says of the wanted providers why they cannot serve, not of the others that nobody wants them', () => {
    const table = writerTable({ a: { contextLength: 8_000n, dataPolicy: { mayTrain: true, retains: true, zdr: false } }, b: { contextLength: 128_000n } });
    for (const provider of [{ only: ['a'] }, { ignore: ['b'] }, { order: ['a'], allow_fallbacks: false }]) {
      const refusal = refused(table, { promptTokensLeast: 9_000, provider });
      expect(refusal).toMatchObject({ errorType: 'context_length_exceeded', httpStatus: 400, availability: { code: 'constraint_filtered' } });
      expect(refusal.availability.excluded_by).toContain('context_length');
      expect(refusal.availability.excluded_by).toHaveLength(2);
      expect(refused(table, { provider: { ...provider, zdr: true } }).availability.code).toBe('privacy_restricted');
    }
  });
});
