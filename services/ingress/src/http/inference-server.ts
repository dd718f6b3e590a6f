import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '@switchyard/core';
import { isMasked, type RequestLimits } from '@switchyard/api';
import { errorRow, SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import { TurnBatch } from '@switchyard/runtime';
import type { LogFields, Logger } from '@switchyard/telemetry';
import type { Authenticator } from '../auth/authenticator.js';
import { headerText } from '../core/attribution.js';
import { runGeneration, type Gateway } from '../run-generation.js';
import { recordRequest } from '../request-spans.js';
import { beginRequestTrace, logFieldsOf, type RequestTrace } from '../request-trace.js';
import { ClientResponse } from './client-response.js';
import { sendError, StreamedAnswer, traceIdHeader, WholeAnswer } from './generation-answer.js';
import type { HttpMetrics, RouteMetrics } from './http-metrics.js';
import type { InferenceRoute } from './inference-route.js';
import type { KeepAlive } from './keep-alive.js';
import { readBody, type BodyLimits, type BodyMemory } from './read-body.js';

export interface InferenceOptions {
  readonly body: BodyLimits;
  /** What the bodies of all requests under way take together. */
  readonly bodyMemory: BodyMemory;
  readonly maxConcurrentGenerations: number;
  readonly limits: RequestLimits;
}

const PREFIXES = ['/api/v1', '/v1'];

interface MeasuredRoute extends InferenceRoute {
  readonly metrics: RouteMetrics;
  readonly pattern: string;
}

/** A request that has just come. */
interface Arrival {
  readonly route: MeasuredRoute;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly client: ClientResponse;
  readonly trace: RequestTrace | undefined;
  readonly startedAtMs: number;
}

/** The hot routes: straight from Node's HTTP server to `runGeneration`, with no framework between. */
export class InferenceServer {
  private readonly routes = new Map<string, MeasuredRoute>();
  private readonly arrivals = new TurnBatch();
  private openCount = 0;
  private idleListener: (() => void) | undefined;

  constructor(
    routes: readonly InferenceRoute[],
    private readonly gateway: Gateway,
    private readonly authenticator: Authenticator,
    private readonly keepAlive: KeepAlive,
    private readonly clock: Clock,
    private readonly logger: Logger,
    http: HttpMetrics,
    private readonly options: InferenceOptions,
  ) {
    for (const route of routes) {
      const pattern = PREFIXES[0] + route.path;
      const measured: MeasuredRoute = { ...route, pattern, metrics: http.route('POST', pattern) };
      for (const prefix of PREFIXES) for (const end of ['', '/']) this.routes.set(prefix + route.path + end, measured);
    }
  }

  /** Requests under way. */
  get running(): number {
    return this.openCount + this.arrivals.size;
  }

  /** Takes the request when it is one of the hot routes. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    if (request.method !== 'POST') return false;
    const url = request.url ?? '';
    const end = url.indexOf('?');
    const route = this.routes.get(end === -1 ? url : url.slice(0, end));
    if (!route) return false;
    const startedAtMs = this.clock.monotonicMs();
    const trace = beginRequestTrace(this.gateway.tracer, this.clock, request, route.pattern);
    const arrival = { route, request, response, client: new ClientResponse(request, response), trace, startedAtMs };
    this.arrivals.add(() => void this.serve(arrival));
    return true;
  }

  /** Resolves when nothing runs any more. */
  idle(): Promise<void> {
    if (this.running === 0) return Promise.resolve();
    return new Promise((resolve) => (this.idleListener = resolve));
  }

  private async serve({ route, request, response, client, trace, startedAtMs }: Arrival): Promise<void> {
    const share = this.options.bodyMemory.open();
    this.openCount++;
    let answer: StreamedAnswer | WholeAnswer | undefined;
    try {
      if (this.openCount > this.options.maxConcurrentGenerations)
        throw new SwitchyardError('gateway_unavailable', 'The gateway is at its limit of concurrent requests; try again shortly.', { retryAfterMs: 1_000 });
      const key = await this.authenticator.authenticate(request.headers, trace);
      if (key.kind !== billing.KeyKind.INFERENCE) throw new SwitchyardError('permission_denied', 'Management keys cannot run inference; use an API key.');
      trace?.authenticated();
      const body = await readBody(request, this.options.body, share);
      const asked = route.read(body, request.headers, this.options.limits);
      answer = asked.stream ? new StreamedAnswer(client, route.dialect, this.clock, this.keepAlive) : new WholeAnswer(client, route.dialect, this.clock);
      await runGeneration(this.gateway, key, asked, answer, trace);
    } catch (error) {
      await this.refuse(route, error, request, client, answer, trace);
    } finally {
      answer?.close();
      share.release();
      if (trace) this.record(trace, client.status);
      route.metrics.ended(client.headersSent ? response.statusCode : undefined, this.clock.monotonicMs() - startedAtMs);
      this.openCount--;
      if (this.running === 0) this.idleListener?.();
    }
  }

  /** Whatever goes wrong with its spans, a request is over. */
  private record(trace: RequestTrace, status: number): void {
    try {
      recordRequest(trace, status);
    } catch (error) {
      this.logger.error('the spans of a request could not be made', { error, ...logFieldsOf(trace) });
    }
  }

  private async refuse(
    route: MeasuredRoute,
    error: unknown,
    request: IncomingMessage,
    client: ClientResponse,
    answer: StreamedAnswer | WholeAnswer | undefined,
    trace: RequestTrace | undefined,
  ): Promise<void> {
    const shown = error instanceof SwitchyardError ? error : new SwitchyardError('server', 'Internal Server Error', { cause: error });
    trace?.refused(shown.type, errorRow(shown.type).httpStatus);
    if (isMasked(error)) this.logger.error('a request failed for a reason of our own', { error, ...idsOf(request, answer, trace) });
    this.gateway.metrics.refused(route.apiType, shown);
    try {
      if (answer) await answer.fail(shown);
      else await sendError(client, shown, traceIdHeader(trace));
    } catch (failure) {
      this.logger.error('an error could not be told to its client', { error: failure, ...idsOf(request, answer, trace) });
      client.destroy();
    }
  }
}

/** What a client can name when it asks why it failed, traced or not. */
function idsOf(request: IncomingMessage, answer: StreamedAnswer | WholeAnswer | undefined, trace: RequestTrace | undefined): LogFields {
  const requestId = headerText(request.headers, 'x-request-id') || undefined;
  return { ...logFieldsOf(trace), generationId: answer?.generationId, requestId };
}
