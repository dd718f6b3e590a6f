import { call, type Fixture, type JsonResponse } from '@switchyard/test-platform';

export interface Answer {
  readonly id: string;
  readonly model: string;
  readonly provider: string;
  readonly service_tier?: string;
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number; readonly cost: number };
}

export interface Refusal {
  readonly error: {
    readonly code: number;
    readonly message: string;
    readonly error_type?: string;
    readonly availability?: {
      readonly retry_after?: number;
      readonly code: string;
      readonly retryable: boolean;
      readonly docs_url: string;
      readonly requested_models: readonly string[];
      readonly excluded_by?: readonly string[];
      readonly affected_providers?: readonly string[];
      readonly fallback_models?: readonly string[];
      readonly constraint?: { readonly field: string };
    };
    readonly metadata: { readonly error_type: string; readonly previous_errors?: readonly { readonly provider: string; readonly code: number }[] };
  };
}

export interface Place {
  readonly endpoint_id: string;
  readonly tag: string;
  readonly model: string;
  readonly provider_name: string;
  readonly reason: string;
  readonly pricing: { readonly prompt: string; readonly completion: string };
}

export interface Decision {
  readonly decision: 'plan' | 'refusal';
  readonly strategy: string;
  readonly candidates: readonly Place[];
  readonly excluded: readonly { readonly endpoint_id: string; readonly tag: string; readonly code: string; readonly detail: string }[];
  readonly warnings: readonly string[];
  readonly error?: Refusal['error'];
}

type Provider = Record<string, unknown>;
const QUESTION = { messages: [{ role: 'user', content: 'say 5 words' }] };

/** Chat requests and dry runs of them against one fixture. */
export class RoutingClient {
  constructor(private readonly fixture: () => Fixture) {}

  get platform(): Fixture['platform'] {
    return this.fixture().platform;
  }

  chat<Body = Answer>(model: string, provider?: Provider, more: object = {}, key = this.platform.apiKey): Promise<JsonResponse<Body>> {
    return call<Body>(this.platform.baseUrl, '/chat/completions', {
      key,
      body: { model: `acme/${model}`, ...QUESTION, ...(provider && { provider }), ...more },
    });
  }

  refused(model: string, provider?: Provider, more: object = {}, key = this.platform.apiKey): Promise<JsonResponse<Refusal>> {
    return this.chat<Refusal>(model, provider, more, key);
  }

  async decide(model: string, provider?: Provider, more: object = {}, key = this.platform.apiKey): Promise<Decision> {
    const body = { model: `acme/${model}`, ...QUESTION, ...(provider && { provider }), ...more };
    const answer = await call<{ data: Decision }>(this.platform.baseUrl, '/routing/decide', { key, body });
    if (answer.status !== 200) throw new Error(`routing/decide answered ${answer.status}: ${answer.text}`);
    return answer.body.data;
  }

  /** Tags in the order in which they would be tried. */
  async order(model: string, provider?: Provider, more: object = {}, key = this.platform.apiKey): Promise<string[]> {
    return (await this.decide(model, provider, more, key)).candidates.map((candidate) => candidate.tag);
  }

  /** The same with the order left to chance. */
  async choice(model: string, provider?: Provider, more: object = {}, key = this.platform.apiKey): Promise<string[]> {
    return (await this.order(model, provider, more, key)).sort();
  }

  /** Runs with one provider refusing or failing one model; `model` is without its author. */
  async withFault<Result>(slug: string, model: string, fault: object, run: () => Promise<Result>): Promise<Result> {
    const { faults } = this.fixture().upstreams[slug]!;
    faults.add({ share: 1, seed: 1, delayMs: 0, afterWords: 3, model, ...fault } as Parameters<typeof faults.add>[0]);
    try {
      return await run();
    } finally {
      faults.clear();
    }
  }

  requestsTo(slug: string): number {
    return this.fixture().upstreams[slug]!.counts.requests;
  }

  async endpoints(model: string, key?: string): Promise<PublicEndpoint[]> {
    const answer = await call<{ data: { endpoints: PublicEndpoint[] } }>(this.platform.baseUrl, `/models/acme/${model}/endpoints`, key ? { key } : {});
    return answer.body.data.endpoints;
  }
}

export interface Percentiles {
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly p99: number;
}

export interface PublicEndpoint {
  readonly tag: string;
  readonly pricing: { readonly prompt: string; readonly completion: string; readonly overrides?: readonly Record<string, unknown>[] };
  readonly supports_tool_choice: Record<'none' | 'auto' | 'required' | 'function', boolean>;
  readonly uptime_last_5m: number | null;
  readonly uptime_last_30m: number | null;
  readonly uptime_last_1d: number | null;
  readonly latency_last_30m: Percentiles | null;
  readonly throughput_last_30m: Percentiles | null;
}
