import { describe, expect, it } from '@jest/globals';
import { common, router } from '@switchyard/proto';
import { catalogEntries } from './catalog-entry.js';

describe('catalogEntries', () => {
  it('put the endpoint first that is charged least, its discount taken off', () => {
    const endpoint = (endpointId: string, ratePico: bigint, discountMillionths: number): router.Endpoint => {
      const schedule = common.PriceSchedule.fromPartial({ ratesPico: { input_uncached: ratePico, output_text: ratePico }, discountMillionths });
      return router.Endpoint.fromPartial({ endpointId, modelSlug: 'acme/writer', hasCredential: true, chargeSchedules: [{ startTimeMs: 0n, schedule }] });
    };
    const endpoints = [endpoint('listed', 3_000_000n, 0), endpoint('reduced', 4_000_000n, 500_000), endpoint('dear', 5_000_000n, 100_000)];
    const [entry] = catalogEntries({ models: [router.Model.fromPartial({ slug: 'acme/writer' })], endpoints, statistics: [] }, 1);
    expect(entry!.endpoints.map((priced) => priced.endpoint.endpointId)).toEqual(['reduced', 'listed', 'dear']);
  });
});
