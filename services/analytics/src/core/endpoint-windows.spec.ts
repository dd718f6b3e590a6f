import { describe, expect, it } from '@jest/globals';
import { EndpointWindows, type SlotCounts } from './endpoint-windows.js';
import { bucketOf } from './log-histogram.js';

const NOW = Date.UTC(2026, 0, 1, 12);

function slot(agoMs: number, successCount: number, failureCount: number, rateLimitedCount = 0): SlotCounts {
  return { slotMs: NOW - agoMs, endpointId: 'e', successCount, failureCount, rateLimitedCount };
}

function evaluate(windows: EndpointWindows, nowMs: number) {
  return new Map([...windows.evaluate(nowMs)].map((statistics) => [statistics.endpointId, statistics]));
}

describe('EndpointWindows', () => {
  it('sums each window over its own time', () => {
    const windows = new EndpointWindows();
    windows.setSlots([slot(10_000, 8, 2, 1), slot(60_000, 5, 0), slot(600_000, 100, 50)]);
    windows.setDays([slot(0, 1_000, 60, 3)]);
    expect(evaluate(windows, NOW).get('e')).toMatchObject({
      last5m: { successCount: 13n, failureCount: 2n, rateLimitedCount: 1n },
      last30m: { successCount: 113n, failureCount: 52n },
      last1d: { successCount: 1_000n, failureCount: 60n, rateLimitedCount: 3n },
      recentFailureCount: 2n,
      recentRequestCount: 10n,
    });
  });

  it('takes rows as absolute: reading one again changes nothing', () => {
    const windows = new EndpointWindows();
    const measure = { slotMs: NOW - 60_000, endpointId: 'e', measure: 'first_token_ms' as const, counts: `${bucketOf(200)}:4` };
    for (let times = 0; times < 2; times++) {
      windows.setSlots([slot(10_000, 3, 1)]);
      windows.setMeasures([measure]);
    }
    const statistics = evaluate(windows, NOW).get('e');
    expect(statistics?.last5m).toMatchObject({ successCount: 3n, failureCount: 1n });
    expect(Math.abs((statistics?.last5m?.firstTokenMs?.p50 ?? 0) - 200)).toBeLessThan(6);
    expect(statistics?.last5m?.throughput).toBeUndefined();
  });

  it('lets windows empty as time passes and then forgets the endpoint', () => {
    const windows = new EndpointWindows();
    windows.setSlots([slot(10_000, 3, 1)]);
    windows.setDays([slot(0, 3, 1)]);
    expect(evaluate(windows, NOW + 400_000).get('e')).toMatchObject({ last5m: { successCount: 0n }, last30m: { successCount: 3n }, recentRequestCount: 0n });
    expect(evaluate(windows, NOW + 3_600_000).get('e')).toMatchObject({ last30m: { successCount: 0n }, last1d: { successCount: 3n } });
    windows.setDays([]);
    expect(evaluate(windows, NOW + 3_600_000).size).toBe(0);
  });
});
