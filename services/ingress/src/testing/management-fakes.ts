import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { PICO_PER_USD, type Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import {
  billing,
  router,
  type analytics,
  type events,
  type AccountPort,
  type AnalyticsPort,
  type CallOptions,
  type CatalogPort,
  type KeyPort,
  type LedgerPort,
  type RouterPort,
} from '@switchyard/proto';
import type { ReadinessReport } from '@switchyard/runtime';
import type { Logger } from '@switchyard/telemetry';
import type { Authenticator, RequestHeaders } from '../auth/authenticator.js';
import type { ManagementOptions } from '../http/management-context.js';
import { BodyMemory } from '../http/read-body.js';
import { ManagementBodies } from '../http/management-bodies.js';

export const FAKE_NOW_MS = Date.UTC(2026, 5, 1, 12);
/** Billing's clock differs from the process's own. */
export const BILLING_AHEAD_MS = 40_000;
export const INFERENCE_SECRET = 'sk-sy-v1-inference';
export const MANAGEMENT_SECRET = 'sk-sy-v1-management';

/** Ports in memory, behind which the management routes can be tried alone. */
export interface ManagementFakes {
  readonly options: ManagementOptions;
  readonly keys: FakeKeys;
  readonly analytics: FakeAnalytics;
  readonly ledger: FakeLedger;
  readonly catalog: FakeCatalog;
  readonly decisions: router.DecideRequest[];
  readiness: ReadinessReport;
}

export function managementFakes(clock: Clock, logger: Logger): ManagementFakes {
  const keys = new FakeKeys();
  const fakeAnalytics = new FakeAnalytics();
  const fakeLedger = new FakeLedger();
  const catalog = new FakeCatalog();
  const decisions: router.DecideRequest[] = [];
  const fakes = {
    keys,
    analytics: fakeAnalytics,
    ledger: fakeLedger,
    catalog,
    decisions,
    readiness: { ready: true, degraded: false, checks: { process: { ready: true } } } as ReadinessReport,
  };
  const routerPort: Pick<RouterPort, 'decide'> = {
    decide: async (request) => {
      decisions.push(request);
      return { planJson: '{"kind":"plan"}', tableVersion: 7n };
    },
  };
  const accounts: Pick<AccountPort, 'getCredits'> = {
    getCredits: async () => ({ totalCreditsPico: 10n * PICO_PER_USD, totalUsagePico: 1_250_000_000n, heldPico: 5n, receivablePico: 0n }),
  };
  const options: ManagementOptions = {
    authenticator: new FakeAuthenticator(keys),
    breakers: { states: () => ({ 'endpoint-1': { phase: 'open', isFailing: true, mayProbe: false, openUntilMs: 9, failureCount: 3 } }) },
    deadlines: { connectMs: 7 },
    keys: keys as unknown as KeyPort,
    accounts: accounts as AccountPort,
    ledger: fakeLedger as unknown as LedgerPort,
    analytics: fakeAnalytics as unknown as AnalyticsPort,
    router: routerPort as RouterPort,
    catalog,
    readiness: () => fakes.readiness,
    metrics: { renderPieces: () => ['switchyard_up 1\n'] },
    logger,
    clock,
    billingNowMs: () => clock.nowMs() + BILLING_AHEAD_MS,
    bodies: new ManagementBodies({ maxBytes: 100_000, minBytesPerSecond: 1_000 }, new BodyMemory(150_000)),
    catalogMaxAgeMs: 0,
  };
  return { ...fakes, options };
}

class FakeAuthenticator implements Authenticator {
  constructor(private readonly keys: FakeKeys) {}

  async authenticate(headers: RequestHeaders): Promise<billing.Key> {
    const secret = /^Bearer (.+)$/.exec(String(headers['authorization'] ?? ''))?.[1];
    const key = secret === undefined ? undefined : this.keys.find(hashOf(secret));
    if (!key || key.disabled) throw new SwitchyardError('authentication', 'No valid API key');
    return key;
  }
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

class FakeKeys {
  private readonly keys = new Map<string, billing.Key>();
  usage: billing.KeyUsage = billing.KeyUsage.fromPartial({
    totalPico: 1_500_000n,
    dailyPico: 1_000_000n,
    weeklyPico: 1_200_000n,
    monthlyPico: 1_400_000n,
    freeRequestsToday: 3n,
    freeRequestsPerDay: 50n,
  });

  constructor() {
    for (const [secret, kind] of [
      [INFERENCE_SECRET, billing.KeyKind.INFERENCE],
      [MANAGEMENT_SECRET, billing.KeyKind.MANAGEMENT],
    ] as const) {
      this.add(secret, { kind, name: kind });
    }
  }

  find(hash: string): billing.Key | undefined {
    return this.keys.get(hash);
  }

  async createKey(request: billing.CreateKeyRequest): Promise<billing.CreateKeyResponse> {
    const secret = `sk-sy-v1-${this.keys.size}`;
    return { key: this.add(secret, request), secret };
  }

  async listKeys(request: billing.ListKeysRequest): Promise<billing.ListKeysResponse> {
    const keys = [...this.keys.values()].filter((key) => request.includeDisabled || !key.disabled);
    return { keys: keys.slice(request.offset, request.offset + request.limit).map((key) => ({ key, usage: this.usage })) };
  }

  async getKey(request: billing.GetKeyRequest): Promise<billing.GetKeyResponse> {
    return { key: { key: this.require(request.hash), usage: this.usage } };
  }

  async updateKey(request: billing.UpdateKeyRequest): Promise<billing.UpdateKeyResponse> {
    const names = new Set(request.updateMask);
    const key = this.require(request.hash);
    if (names.has('name')) key.name = request.name;
    if (names.has('disabled')) key.disabled = request.disabled;
    if (names.has('limit_pico')) key.limitPico = request.limitPico;
    if (names.has('limit_reset')) key.limitReset = request.limitReset;
    key.updateTimeMs = BigInt(FAKE_NOW_MS);
    return { key: { key, usage: this.usage } };
  }

  async deleteKey(request: billing.DeleteKeyRequest): Promise<billing.DeleteKeyResponse> {
    this.require(request.hash);
    this.keys.delete(request.hash);
    return {};
  }

  private add(secret: string, fields: Partial<billing.Key>): billing.Key {
    const key = billing.Key.fromPartial({
      hash: hashOf(secret),
      label: 'sk-sy-v1-…0000',
      accountId: 'acme',
      workspaceId: 'w1',
      createTimeMs: BigInt(FAKE_NOW_MS),
      ...fields,
    });
    if (key.workspaceId === '') key.workspaceId = 'w1';
    this.keys.set(key.hash, key);
    return key;
  }

  private require(hash: string): billing.Key {
    const key = this.keys.get(hash);
    if (!key) throw new SwitchyardError('not_found', 'API key not found');
    return key;
  }
}

class FakeAnalytics {
  readonly generations: events.GenerationCompleted[] = [];
  readonly listed: analytics.ListGenerationsRequest[] = [];
  readonly activityAsked: analytics.ListActivityRequest[] = [];

  async getGeneration(request: analytics.GetGenerationRequest): Promise<analytics.GetGenerationResponse> {
    const generation = this.generations.find((item) => item.generationId === request.generationId && item.accountId === request.accountId);
    if (!generation) throw new SwitchyardError('not_found', `Generation ${request.generationId} not found`);
    return { generation, upstreamCostPico: 5n };
  }

  async listGenerations(request: analytics.ListGenerationsRequest): Promise<analytics.ListGenerationsResponse> {
    this.listed.push(request);
    return { generations: this.generations, nextCursor: this.generations.length > 0 ? 'next' : '' };
  }

  async listActivity(request: analytics.ListActivityRequest): Promise<analytics.ListActivityResponse> {
    this.activityAsked.push(request);
    const row = { date: '2026-05-31', model: 'a/b', modelPermaslug: 'a/b-1', endpointId: 'e', providerName: 'P', usagePico: 2_500_000n, byokUsagePico: 0n };
    const counts = { requestCount: 2n, promptTokenCount: 10n, completionTokenCount: 20n, reasoningTokenCount: 3n };
    return { rows: [{ ...row, ...counts, workspaceId: request.groupByWorkspace ? 'w1' : '' }] };
  }
}

class FakeLedger {
  readonly asked: billing.ListSpendRequest[] = [];
  spend: billing.ListSpendResponse = billing.ListSpendResponse.create();
  statement: billing.Statement | undefined;
  /** While true reports take until their reader has left. */
  isSlow = false;
  /** Signals of slow reports. */
  readonly signals: AbortSignal[] = [];

  async listSpend(request: billing.ListSpendRequest, options?: CallOptions): Promise<billing.ListSpendResponse> {
    this.asked.push(request);
    await this.takeTime(options);
    return this.spend;
  }

  async getStatement(request: billing.GetStatementRequest, options?: CallOptions): Promise<billing.GetStatementResponse> {
    await this.takeTime(options);
    return { statement: this.statement && { ...this.statement, ...request } };
  }

  private async takeTime({ signal }: CallOptions = {}): Promise<void> {
    if (!this.isSlow || signal === undefined) return;
    this.signals.push(signal);
    await once(signal, 'abort');
    throw signal.reason;
  }

  async explainGeneration({ generationId, accountId }: billing.ExplainGenerationRequest): Promise<billing.ExplainGenerationResponse> {
    if (generationId !== 'gen-1') throw new SwitchyardError('not_found', 'Billing knows nothing of this generation.');
    return { explanationJson: JSON.stringify({ generationId, accountId }), explanationText: `Generation ${generationId}\n` };
  }
}

class FakeCatalog implements CatalogPort {
  models: router.Model[] = [];
  endpoints: router.Endpoint[] = [];
  statistics: analytics.EndpointStatistics[] = [];
  providers: router.Provider[] = [
    router.Provider.fromPartial({ slug: 'openai', name: 'OpenAI', statusPageUrl: 'https://status.openai.com', headquarters: 'US', datacenters: ['US'] }),
    router.Provider.fromPartial({ slug: 'local', name: 'Local' }),
  ];
  isAway = false;

  async listModels(): Promise<router.ListModelsResponse> {
    if (this.isAway) throw new SwitchyardError('gateway_unavailable', 'The router is away');
    return { models: this.models, endpoints: this.endpoints, statistics: this.statistics };
  }

  async getModel(request: router.GetModelRequest): Promise<router.GetModelResponse> {
    const base = request.slug.split(':')[0] ?? '';
    const model = this.models.find((item) => item.slug === base || item.permaslug === base || item.aliases.includes(base));
    if (!model) throw new SwitchyardError('not_found', 'unknown model');
    return { model, endpoints: this.endpoints.filter((endpoint) => endpoint.modelSlug === model.slug), statistics: this.statistics };
  }

  async listProviders(): Promise<router.ListProvidersResponse> {
    return { providers: this.providers };
  }
}
