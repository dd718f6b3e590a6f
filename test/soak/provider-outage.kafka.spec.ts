import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { call, MODELS, startFixture, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { Agent, request } from 'undici';

/** One streamed request as its client saw it. */
interface Sample {
  readonly atMs: number;
  readonly ingress: number;
  readonly provider: string;
  readonly firstContentMs: number;
  /** What the client was told instead of a whole answer. */
  readonly failure: string | undefined;
}

const REQUESTS_PER_SECOND = 100;
const OUTAGE_MS = 60_000;
const FIRST_CONTENT_BOUND_MS = 2_000;
const SETTLED_BOUND_MS = 500;
const SHIFT_WITHIN_MS = 10_000;

/** Three ingresses in front of two providers; `alpha` is cheaper, so nearly all traffic goes there while it is well. */
describe('a provider that is out for a minute under 100 requests/s over three ingresses', () => {
  let fixture: Fixture;
  const agent = new Agent({ connections: 200 });
  beforeAll(async () => {
    fixture = await startFixture({ shape: 'split', environment: { SWITCHYARD_INGRESS_REPLICAS: '3' } });
  }, 300_000);
  afterAll(async () => {
    await agent.destroy();
    await fixture.stop();
  }, 120_000);

  async function ask(ingress: number, startMs: number, model: string): Promise<Sample> {
    const { ingressUrls, apiKey } = fixture.platform;
    const sentMs = performance.now();
    const response = await request(`${ingressUrls![ingress]}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}` },
      body: JSON.stringify({ model, stream: true, max_tokens: 100, messages: [{ role: 'user', content: 'say 5 words' }] }),
      dispatcher: agent,
    });
    let text = '';
    let firstContentMs = Number.POSITIVE_INFINITY;
    for await (const piece of response.body as AsyncIterable<Buffer>) {
      text += piece.toString();
      if (firstContentMs === Number.POSITIVE_INFINITY && text.includes('"content":"')) firstContentMs = performance.now() - sentMs;
    }
    const isWhole = response.statusCode === 200 && text.includes('[DONE]') && !text.includes('"error"');
    const provider = String(response.headers['x-switchyard-provider']);
    return { atMs: sentMs - startMs, ingress, provider, firstContentMs, failure: isWhole ? undefined : `${response.statusCode} ${text.slice(-400)}` };
  }

  /** Sends at the rate for the time, whatever the answers take, and resolves with every answer. */
  async function traffic(durationMs: number, model: string = MODELS.writer): Promise<Sample[]> {
    const startMs = performance.now();
    const open: Promise<Sample>[] = [];
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        const dueCount = Math.min(((performance.now() - startMs) * REQUESTS_PER_SECOND) / 1_000, (durationMs * REQUESTS_PER_SECOND) / 1_000);
        while (open.length < dueCount) open.push(ask(open.length % 3, startMs, model));
        if (performance.now() - startMs < durationMs) return;
        clearInterval(timer);
        resolve();
      }, 10);
    });
    return Promise.all(open);
  }

  async function uptimeOf(provider: string): Promise<number | null> {
    const { baseUrl, apiKey } = fixture.platform;
    const { body } = await call<{ data: { endpoints: { tag: string; uptime_last_5m: number | null }[] } }>(baseUrl, '/models/acme/writer/endpoints', {
      key: apiKey,
    });
    return body.data.endpoints.find((endpoint) => endpoint.tag === provider)!.uptime_last_5m;
  }

  const share = (samples: readonly Sample[], provider: string) => samples.filter((sample) => sample.provider === provider).length / samples.length;
  const failures = (samples: readonly Sample[]) => samples.flatMap((sample) => sample.failure ?? []);
  const slowest = (samples: readonly Sample[]) => Math.max(...samples.map((sample) => sample.firstContentMs));

  it.each([
    ['fails', { kind: 'server_error' as const, afterWords: 0 }],
    ['stalls', { kind: 'stall' as const, afterWords: 0 }],
  ])(
    'that %s costs no client an error, is avoided by every ingress within seconds, shows on the API, and gets its traffic back',
    async (_how, fault) => {
      const { faults } = fixture.upstreams['alpha']!;
      // Another model's traffic: the slow first requests of fresh processes are not what this endpoint's deadlines should learn from.
      await traffic(10_000, MODELS.novelist);
      const before = await traffic(15_000);
      expect(failures(before)).toEqual([]);
      expect(share(before, 'alpha')).toBeGreaterThan(0.6);
      await eventually(async () => expect(await uptimeOf('alpha')).not.toBeNull());
      const uptimeBefore = (await uptimeOf('alpha'))!;

      faults.add({ share: 1, seed: 1, delayMs: 0, ...fault });
      const during = await traffic(OUTAGE_MS);
      const uptimeAfter = (await uptimeOf('alpha'))!;
      faults.clear();
      expect(failures(during)).toEqual([]);
      expect(slowest(during)).toBeLessThan(FIRST_CONTENT_BOUND_MS);
      const settled = during.filter((sample) => sample.atMs > SHIFT_WITHIN_MS);
      for (const ingress of [0, 1, 2])
        expect(
          share(
            settled.filter((sample) => sample.ingress === ingress),
            'alpha',
          ),
        ).toBe(0);
      expect(slowest(settled)).toBeLessThan(SETTLED_BOUND_MS);
      expect(uptimeAfter).toBeLessThan(uptimeBefore);

      await eventually(async () => expect(share(await traffic(2_000), 'alpha')).toBeGreaterThan(0.3), { timeoutMs: 90_000 });
    },
    240_000,
  );
});
