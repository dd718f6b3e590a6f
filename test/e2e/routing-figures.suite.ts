import { describe, expect, it } from '@jest/globals';
import type { Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { RoutingClient, type Answer } from './routing-client.js';

/** Prices with conditions, and what is measured of endpoints. */
export function routingFiguresSuite(fixture: () => Fixture): void {
  const client = new RoutingClient(fixture);
  const usd = (usage: Answer['usage'], promptPrice: number, completionPrice: number) =>
    Number(((usage.prompt_tokens * promptPrice + usage.completion_tokens * completionPrice) / 1e6).toFixed(12));
  const withPrompt = async (tokens: number) => {
    const text = (bytes: number) => ({ messages: [{ role: 'user', content: 'x'.repeat(bytes) }], max_tokens: 5 });
    const probe = await client.chat('by-size', undefined, text(400));
    const overhead = probe.body.usage.prompt_tokens - 100;
    const { usage } = (await client.chat('by-size', undefined, text((tokens - overhead) * 4))).body;
    expect(usage.prompt_tokens).toBe(tokens);
    return usage;
  };

  describe('a price', () => {
    it('for long prompts is charged for the whole request, above the limit and not at it [M11]', async () => {
      const at = await withPrompt(1_000);
      expect(at.cost).toBe(usd(at, 1, 2));
      const above = await withPrompt(1_001);
      expect(above.cost).toBe(usd(above, 5, 2));
    });

    it('for a time of day is charged in its window alone [M11]', async () => {
      const { usage } = (await client.chat('by-time')).body;
      expect(usage.cost).toBe(usd(usage, 1, 7));
    });

    it('is shown with its conditions, and as it is now [M11]', async () => {
      const [bySize] = await client.endpoints('by-size');
      expect(bySize!.pricing).toMatchObject({ prompt: '0.000001', completion: '0.000002', overrides: [{ min_prompt_tokens: 1_000, prompt: '0.000005' }] });
      const [byTime] = await client.endpoints('by-time');
      expect(byTime!.pricing).toMatchObject({
        prompt: '0.000001',
        completion: '0.000007',
        overrides: [
          { utc_start: expect.any(Number), utc_end: expect.any(Number), completion: '0.000007' },
          { utc_start: expect.any(Number), utc_end: expect.any(Number), prompt: '0.0001' },
        ],
      });
    });
  });

  it('a decision tells the prices of its moment and of the size of the request [M11]', async () => {
    expect((await client.decide('by-time')).candidates[0]!.pricing).toMatchObject({ prompt: '0.000001', completion: '0.000007' });
    const long = await client.decide('by-size', undefined, { messages: [{ role: 'user', content: 'x'.repeat(8_000) }] });
    expect(long.candidates[0]!.pricing).toMatchObject({ prompt: '0.000005', completion: '0.000002' });
  });

  describe('an endpoint', () => {
    it('has an uptime of successes among successes and errors, rate limits left out, and percentiles [X12]', async () => {
      for (let turn = 0; turn < 6; turn++) expect((await client.chat('measured', undefined, { stream: turn % 2 === 0 })).status).toBe(200);
      await client.withFault('alpha', 'measured', { kind: 'rate_limit' }, async () => {
        for (let turn = 0; turn < 3; turn++) expect((await client.refused('measured')).status).toBe(429);
      });
      const requests = client.requestsTo('alpha');
      await client.withFault('alpha', 'measured', { kind: 'server_error' }, () => client.refused('measured'));
      const errors = client.requestsTo('alpha') - requests;
      expect(errors).toBeGreaterThan(0);
      await client.withFault('alpha', 'measured', { kind: 'moderation' }, () => client.refused('measured'));
      const uptime = Math.round((6 / (6 + errors)) * 100_000) / 1_000;
      const endpoint = await eventually(async () => {
        const [measured] = await client.endpoints('measured', client.platform.apiKey);
        expect(measured).toMatchObject({ uptime_last_5m: uptime, uptime_last_30m: uptime, uptime_last_1d: uptime });
        return measured!;
      });
      for (const figures of [endpoint.latency_last_30m!, endpoint.throughput_last_30m!]) {
        expect(figures.p50).toBeGreaterThan(0);
        expect(Object.keys(figures).sort()).toEqual(['p50', 'p75', 'p90', 'p99']);
      }
      const { p50, p75, p90, p99 } = endpoint.latency_last_30m!;
      expect([p50, p75, p90, p99]).toEqual([p50, p75, p90, p99].sort((left, right) => left - right));
    });

    it('shows strangers its uptime, yet neither latency nor throughput [X12]', async () => {
      const [endpoint] = await client.endpoints('measured');
      expect(endpoint).toMatchObject({ uptime_last_5m: expect.any(Number), latency_last_30m: null, throughput_last_30m: null });
    });

    it('that was never asked has no figures [X12]', async () => {
      const [endpoint] = await client.endpoints('tiny', client.platform.apiKey);
      expect(endpoint).toMatchObject({ uptime_last_5m: null, uptime_last_30m: null, uptime_last_1d: null, latency_last_30m: null, throughput_last_30m: null });
    });
  });
}
