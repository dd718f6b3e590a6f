import { describe, expect, it } from '@jest/globals';
import { call, eventsOf, MODELS, type Fixture } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';

interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly cost: number;
  readonly cost_details: { readonly upstream_inference_prompt_cost: number; readonly upstream_inference_completions_cost: number };
}
interface Answer {
  readonly id: string;
  readonly model: string;
  readonly provider: string;
  readonly usage: Usage;
  readonly choices: readonly {
    readonly finish_reason: string | null;
    readonly native_finish_reason: string | null;
    readonly text?: string;
    readonly message: { readonly content: string | null; readonly reasoning?: string | null; readonly reasoning_details?: readonly Record<string, unknown>[] };
  }[];
}
interface Chunk {
  readonly id: string;
  readonly object: string;
  readonly model: string;
  readonly choices: readonly { readonly delta: { readonly content?: string | null; readonly reasoning?: string }; readonly finish_reason: string | null }[];
  readonly usage?: Usage;
  readonly error?: { readonly code: unknown; readonly message: string; readonly metadata?: { readonly error_type?: string } };
  readonly debug?: { readonly echo_upstream_body?: unknown };
}

/** What chat promises beyond what the official clients show. */
export function chatSuite(fixture: () => Fixture): void {
  const chat = <Body = Answer>(body: object, options: { key?: string; headers?: Record<string, string>; signal?: AbortSignal } = {}) =>
    call<Body>(fixture().platform.baseUrl, '/chat/completions', {
      key: options.key ?? fixture().platform.apiKey,
      body: { model: MODELS.writer, messages: [{ role: 'user', content: 'say 5 words' }], ...body },
      ...(options.headers ? { headers: options.headers } : {}),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  const only = (...slugs: string[]) => ({ provider: { only: slugs, allow_fallbacks: true } });
  const withFault = async <Result>(slug: string, fault: object, run: () => Promise<Result>): Promise<Result> => {
    const { faults } = fixture().upstreams[slug]!;
    faults.add({ share: 1, seed: 1, delayMs: 0, afterWords: 3, ...fault } as Parameters<typeof faults.add>[0]);
    try {
      return await run();
    } finally {
      faults.clear();
    }
  };
  const lastBody = (slug: string) => fixture().upstreams[slug]!.lastBody() as Record<string, unknown>;

  describe('an answer', () => {
    it('costs tokens times price, to the last digit [C07]', async () => {
      const { body } = await chat(only('alpha'));
      const { usage } = body;
      expect(usage.cost).toBe(Number(((usage.prompt_tokens * 1 + usage.completion_tokens * 2) / 1e6).toFixed(12)));
      expect(usage.cost_details.upstream_inference_prompt_cost + usage.cost_details.upstream_inference_completions_cost).toBeCloseTo(usage.cost, 12);
    });

    it('carries its id in the body and in a header, whole and streamed [C08]', async () => {
      const whole = await chat({});
      expect(whole.body.id).toMatch(/^gen-\d+-[0-9A-Za-z]{20}$/);
      expect(whole.headers['x-generation-id']).toBe(whole.body.id);
      const streamed = await chat({ stream: true });
      const ids = new Set(eventsOf<Chunk>(streamed.text).map((chunk) => chunk.id));
      expect([...ids]).toEqual([streamed.headers['x-generation-id']]);
    });

    it('tells the provider, its own finish reason, the attempts, the first token, tokens and cost [C09]', async () => {
      const { body, headers } = await chat({ model: MODELS.thinker });
      expect(body.provider).toBe('Anthropic Sim');
      expect(body.choices[0]).toMatchObject({ finish_reason: 'stop', native_finish_reason: 'end_turn' });
      expect(headers).toMatchObject({
        'x-switchyard-provider': 'anthropic-sim',
        'x-switchyard-attempts': '1',
        'x-switchyard-prompt-tokens': String(body.usage.prompt_tokens),
      });
      expect(Number(headers['x-switchyard-time-to-first-token-ms'])).toBeGreaterThanOrEqual(0);
      expect(Number(headers['x-switchyard-cost-usd'])).toBe(body.usage.cost);
    });

    it.each([
      [MODELS.writer, 'length'],
      [MODELS.thinker, 'max_tokens'],
      [MODELS.seer, 'MAX_TOKENS'],
    ])('normalises the finish reason of %s (%s) [C10]', async (model, native) => {
      const { body } = await chat({ model, max_tokens: 3, messages: [{ role: 'user', content: 'say 50 words' }] });
      expect(body.choices[0]).toMatchObject({ finish_reason: 'length', native_finish_reason: native });
    });

    it('keeps the keys that strict clients demand and leaves out the nulls they refuse, whole and streamed', async () => {
      const whole = await chat<Record<string, unknown> & { choices: { message: object }[] }>({});
      expect(whole.body).toHaveProperty('system_fingerprint');
      expect(whole.body.choices[0]!.message).not.toHaveProperty('tool_calls', null);
      for (const chunk of eventsOf<Record<string, unknown>>((await chat({ stream: true })).text)) {
        expect(chunk['system_fingerprint'] ?? '').toEqual(expect.any(String));
        expect(Object.hasOwn(chunk, 'system_fingerprint') && chunk['system_fingerprint'] === null).toBe(false);
        expect(Object.hasOwn(chunk, 'usage') && chunk['usage'] === null).toBe(false);
      }
    });

    it('gives usage with and without being asked, whole and streamed [C06]', async () => {
      for (const options of [{}, { stream_options: { include_usage: true } }, { usage: { include: true } }]) {
        const chunks = eventsOf<Chunk>((await chat({ stream: true, ...options })).text);
        expect(chunks.at(-1)!.usage!.cost).toBeGreaterThan(0);
        expect(chunks.slice(0, -1).every((chunk) => chunk.usage === undefined)).toBe(true);
      }
    });

    it('works as pasted: without a Content-Type, below /v1 too', async () => {
      const { baseUrl, apiKey } = fixture().platform;
      const origin = new URL(baseUrl).origin;
      for (const path of ['/api/v1/chat/completions', '/v1/chat/completions']) {
        const answer = await call<Answer>(origin, path, {
          method: 'POST',
          key: apiKey,
          body: JSON.stringify({ model: MODELS.writer, messages: [{ role: 'user', content: 'say 2 words' }] }),
          headers: { 'content-type': '' },
        });
        expect(answer.body.choices[0]!.message.content).toBe('word1 word2');
      }
    });
  });

  describe('a failing upstream', () => {
    it('is replaced before the first token, invisibly [C14]', async () => {
      const answer = await withFault('alpha', { kind: 'server_error' }, () => chat({ provider: { order: ['alpha', 'beta'] } }));
      expect(answer.status).toBe(200);
      expect(answer.body.provider).toBe('Beta');
      expect(answer.headers['x-switchyard-attempts']).toBe('2');
    });

    it('that is cut after three tokens ends the stream with the typed error, never with a clean end [C13]', async () => {
      const answer = await withFault('beta', { kind: 'cut', afterWords: 4 }, () =>
        chat({ stream: true, messages: [{ role: 'user', content: 'say 30 words' }], provider: { only: ['beta'] } }),
      );
      const last = eventsOf<Chunk>(answer.text).at(-1)!;
      expect(last).toMatchObject({
        object: 'chat.completion.chunk',
        error: { metadata: { error_type: 'provider_unavailable' } },
        choices: [{ finish_reason: 'error' }],
      });
      expect(Number.isInteger(last.error!.code)).toBe(true);
      expect(answer.text).not.toContain('[DONE]');
      expect(answer.text).toContain('word1');
    });

    it('that sends an error in mid-stream is told as one, and costs nothing', async () => {
      const answer = await withFault('beta', { kind: 'error_frame', afterWords: 4 }, () =>
        chat({ stream: true, messages: [{ role: 'user', content: 'say 30 words' }], provider: { only: ['beta'] } }),
      );
      expect(eventsOf<Chunk>(answer.text).at(-1)!.error).toBeDefined();
      const id = String(answer.headers['x-generation-id']);
      const { body } = await eventually(async () => {
        const record = await call<{ data: { total_cost: number } }>(fixture().platform.baseUrl, `/generation?id=${id}`, { key: fixture().platform.apiKey });
        expect(record.status).toBe(200);
        return record;
      });
      expect(body.data.total_cost).toBe(0);
    });

    it('that gives an empty answer without a reason costs nothing [C16]', async () => {
      const empty = { messages: [{ role: 'user', content: 'say nothing at all' }], ...only('beta') };
      const whole = await chat(empty);
      expect(whole.body.usage).toMatchObject({ completion_tokens: 0, cost: 0 });
      expect(whole.body.usage.prompt_tokens).toBeGreaterThan(0);
      expect(eventsOf<Chunk>((await chat({ ...empty, stream: true })).text).at(-1)!.usage).toMatchObject({ completion_tokens: 0, cost: 0 });
    });

    it('lets the history of attempts be seen when all fail [E11]', async () => {
      const answer = await withFault('alpha', { kind: 'server_error' }, () =>
        withFault('beta', { kind: 'rate_limit', retryAfterSeconds: 7 }, () =>
          chat<{ error: { code: number; metadata: { previous_errors: { provider: string; code: number }[] } } }>({ provider: { order: ['alpha', 'beta'] } }),
        ),
      );
      expect(answer.status).toBe(429);
      expect(answer.body.error.code).toBe(429);
      expect(answer.body.error.metadata.previous_errors).toMatchObject([{ provider: 'Alpha', code: 500 }]);
    });
  });

  describe('a client that leaves a stream', () => {
    it('ends its upstream too, and the record says cancelled [C15]', async () => {
      const upstream = fixture().upstreams['beta']!;
      const aborted = upstream.counts.aborted;
      const abort = new AbortController();
      const id = await new Promise<string>((resolve, reject) => {
        void withFault('beta', { kind: 'stall', afterWords: 6 }, async () => {
          const response = await fetch(`${fixture().platform.baseUrl}/chat/completions`, {
            method: 'POST',
            headers: { authorization: `Bearer ${fixture().platform.apiKey}` },
            body: JSON.stringify({ model: MODELS.writer, stream: true, provider: { only: ['beta'] }, messages: [{ role: 'user', content: 'say 30 words' }] }),
            signal: abort.signal,
          });
          await response.body!.getReader().read();
          resolve(response.headers.get('x-generation-id')!);
        }).catch(reject);
      });
      abort.abort();
      await eventually(() => expect(upstream.counts.aborted).toBe(aborted + 1));
      await eventually(async () => {
        const record = await call<{ data: { cancelled: boolean; total_cost: number } }>(fixture().platform.baseUrl, `/generation?id=${id}`, {
          key: fixture().platform.apiKey,
        });
        expect(record.body).toMatchObject({ data: { cancelled: true } });
        expect(record.body.data.total_cost).toBeGreaterThan(0);
      });
    });
  });

  describe('reasoning', () => {
    it.each([
      ['effort', { reasoning: { effort: 'high' } }],
      ['max_tokens', { reasoning: { max_tokens: 2_000 } }],
      ['enabled', { reasoning: { enabled: true } }],
    ])('asked for by %s reaches every family in its own words [C20]', async (_name, request) => {
      await chat({ model: MODELS.thinker, max_tokens: 8_000, ...request });
      expect(lastBody('anthropic-sim')).toHaveProperty('thinking');
      await chat({ model: MODELS.seer, ...request });
      expect(lastBody('gemini-sim')).toHaveProperty('generationConfig.thinkingConfig');
    });

    it('is left out when it is excluded, but still billed [C20]', async () => {
      const shown = await chat({ model: MODELS.thinker, reasoning: { effort: 'high' } });
      const hidden = await chat({ model: MODELS.thinker, reasoning: { effort: 'high', exclude: true } });
      expect(shown.body.choices[0]!.message.reasoning).toContain('Considering');
      expect(hidden.body.choices[0]!.message.reasoning ?? '').toBe('');
      expect(hidden.body.usage.completion_tokens).toBe(shown.body.usage.completion_tokens);
    });

    it('comes back byte for byte when the client replays its details [C21]', async () => {
      const first = await chat({ model: MODELS.thinker, reasoning: { effort: 'high' } });
      const { message } = first.body.choices[0]!;
      expect(message.reasoning_details).toMatchObject([{ type: 'reasoning.text', format: 'anthropic-claude-v1', signature: expect.any(String) }]);
      await chat({
        model: MODELS.thinker,
        reasoning: { effort: 'high' },
        messages: [
          { role: 'user', content: 'say 5 words' },
          { role: 'assistant', ...message },
          { role: 'user', content: 'and again' },
        ],
      });
      const replayed = lastBody('anthropic-sim') as { messages: { content: { type: string; signature?: string; thinking?: string }[] }[] };
      const thinking = replayed.messages[1]!.content.find((block) => block.type === 'thinking');
      expect(thinking).toMatchObject({ signature: message.reasoning_details![0]!['signature'], thinking: message.reasoning_details![0]!['text'] });
    });

    it('has the older spellings [C22]', async () => {
      await chat({ model: MODELS.thinker, reasoning: { effort: 'low' }, max_tokens: 8_000 });
      const wanted = lastBody('anthropic-sim');
      await chat({ model: MODELS.thinker, reasoning_effort: 'low', max_tokens: 8_000 });
      expect(lastBody('anthropic-sim')).toEqual(wanted);
      const hidden = await chat({ model: MODELS.thinker, include_reasoning: false, reasoning_effort: 'low', max_tokens: 8_000 });
      expect(hidden.body.choices[0]!.message.reasoning ?? '').toBe('');
    });

    it('is shown where the model thinks, and not asked for, with the oldest spelling [C22]', async () => {
      await chat({ model: MODELS.thinker, max_tokens: 8_000 });
      const plain = lastBody('anthropic-sim');
      for (const older of [{ include_reasoning: true }, { reasoning: {} }]) {
        await chat({ model: MODELS.thinker, max_tokens: 8_000, ...older });
        expect(lastBody('anthropic-sim')).toEqual(plain);
      }
    });
  });

  describe('a request', () => {
    it('continues what the client began to say [C24]', async () => {
      await chat({
        model: MODELS.thinker,
        messages: [
          { role: 'user', content: 'say 5 words' },
          { role: 'assistant', content: 'word1 word2' },
        ],
      });
      const { messages } = lastBody('anthropic-sim') as { messages: { role: string; content: unknown }[] };
      expect(messages.at(-1)).toMatchObject({ role: 'assistant' });
      expect(JSON.stringify(messages.at(-1))).toContain('word1 word2');
    });

    it('carries images as they came, in every dialect [C25]', async () => {
      const url = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
      const messages = [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url } },
          ],
        },
      ];
      const data = url.split(',')[1]!;
      for (const [model, slug] of [
        [MODELS.writer, 'alpha'],
        [MODELS.thinker, 'anthropic-sim'],
        [MODELS.seer, 'gemini-sim'],
      ] as const) {
        const answer = await chat({ model, messages, ...(model === MODELS.writer ? only('alpha') : {}) });
        expect(answer.status).toBe(200);
        expect(JSON.stringify(lastBody(slug))).toContain(data);
        expect(answer.body.usage.prompt_tokens).toBeGreaterThan(85);
      }
    });

    it('loses parameters an upstream does not have, and succeeds [C30]', async () => {
      const answer = await chat({ model: MODELS.seer, logit_bias: { '50': 1 }, top_a: 0.5 });
      expect(answer.status).toBe(200);
      expect(JSON.stringify(lastBody('gemini-sim'))).not.toContain('top_a');
    });

    it('gets no sampling parameters that the client did not send [C31]', async () => {
      await chat(only('alpha'));
      for (const name of ['temperature', 'top_p', 'top_k', 'frequency_penalty', 'presence_penalty', 'seed']) expect(lastBody('alpha')).not.toHaveProperty(name);
      await chat({ temperature: 0, ...only('alpha') });
      expect(lastBody('alpha')).toHaveProperty('temperature', 0);
    });

    it('never reaches an endpoint that cannot write as much as it asks for [C32]', async () => {
      for (let turn = 0; turn < 5; turn++) expect((await chat({ model: MODELS.novelist, max_tokens: 101 })).body.provider).toBe('Alpha');
      expect((await chat({ model: MODELS.novelist, max_tokens: 100, provider: { sort: 'price' } })).body.provider).toBe('Beta');
      const refused = await chat<{ error: { metadata: { error_type: string } } }>({ max_tokens: 100_000 });
      expect([refused.status, refused.body.error.metadata.error_type]).toEqual([400, 'max_tokens_exceeded']);
    });

    it('shows the upstream body first when it is asked to, once per attempt [C34]', async () => {
      const answer = await withFault('alpha', { kind: 'server_error' }, () =>
        chat({ stream: true, debug: { echo_upstream_body: true }, provider: { order: ['alpha', 'beta'] } }),
      );
      const chunks = eventsOf<Chunk>(answer.text);
      expect(chunks.filter((chunk) => chunk.debug !== undefined)).toHaveLength(2);
      expect(chunks[0]!.choices).toEqual([]);
      expect(JSON.stringify(chunks[0]!.debug)).toContain('say 5 words');
      expect(answer.text).toContain('[DONE]');
    });

    it('keeps user, session, metadata and trace in its record and in the log [C35]', async () => {
      const marks = { user: 'user-7', session_id: 'session-7', metadata: { team: 'blue' }, trace: { trace_id: 't-7' } };
      const answer = await chat(marks);
      const { baseUrl, apiKey, managementKey } = fixture().platform;
      await eventually(async () => {
        const record = await call<{ data: { external_user: string; session_id: string } }>(baseUrl, `/generation?id=${answer.body.id}`, { key: apiKey });
        expect(record.body.data).toMatchObject({ external_user: 'user-7', session_id: 'session-7' });
        const log = await call<{ data: { id: string }[] }>(baseUrl, '/logs?user=user-7', { key: managementKey });
        expect(log.body.data).toMatchObject([{ id: answer.body.id, metadata: { team: 'blue' } }]);
      });
    });

    it.each([
      [{ session_id: 'x'.repeat(257) }, 'session_id'],
      [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop'],
      [{ metadata: { ['k'.repeat(65)]: 'v' } }, 'metadata'],
      [{ top_logprobs: 21 }, 'top_logprobs'],
    ])('over a limit is refused by name (%#) [C36]', async (body, field) => {
      const answer = await chat<{ error: { code: number; message: string } }>(body);
      expect(answer.status).toBe(400);
      expect(answer.body.error.message).toContain(field);
    });

    it('that is no JSON, too deep, or without messages gets a clear 400', async () => {
      const { baseUrl, apiKey } = fixture().platform;
      for (const body of ['{"model":', '[]', '{"model":"x"}', `{"messages":${'['.repeat(500)}${']'.repeat(500)}}`]) {
        const answer = await call<{ error: { code: number; message: string } }>(baseUrl, '/chat/completions', { method: 'POST', key: apiKey, body });
        expect([answer.status, answer.body.error.code]).toEqual([400, 400]);
      }
    });
  });
}
