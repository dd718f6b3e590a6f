import { expect } from '@jest/globals';
import { MODELS } from '@switchyard/test-platform';
import type { SpanNode } from './span-tree.js';

const MODEL = MODELS.writer;
const TOPIC = 'switchyard.generation-completed.v1';
const AMOUNT = expect.stringMatching(/^\d+\.\d{12}$/);
const SOME_TEXT = expect.stringMatching(/./);
const A_NUMBER = expect.any(Number);
const VERSION = expect.stringMatching(/^\d+$/);

/** Calls that serve many requests, which these are linked to: `remote` where services are processes of their own, `local` in one process. */
export type ExpectedCalls = 'remote' | 'local';

export interface ExpectedAttempt {
  readonly provider: 'alpha' | 'beta';
  readonly reason: string;
  /** Of the provider; absent when it answered 200. */
  readonly status?: number;
  /** Absent when all went well. */
  readonly errorType?: string;
  /** Absent where nothing came. */
  readonly finishReason?: string;
  readonly hasUsage: boolean;
  readonly hasContent: boolean;
  readonly isEstimated?: boolean;
  /** Made by the ingress at the request's end, from what it saw. */
  readonly isFromIngress?: boolean;
}

export interface ExpectedRequest {
  readonly system: 'kafka' | 'postgresql';
  readonly calls: ExpectedCalls;
  readonly isStream: boolean;
  readonly httpStatus: number | undefined;
  /** Of the two spans of the ingress that stand for the request. */
  readonly serverError?: string;
  readonly gatewayError?: string;
  readonly end: string;
  readonly attempts: readonly ExpectedAttempt[];
  readonly chargedMeters: readonly string[];
  readonly keptFor?: string;
  readonly hasFirstToken: boolean;
}

/** The tree of a request that was sent to its end, as a table: a row for each span, with all its attributes. */
export function requestTree(wanted: ExpectedRequest): SpanNode {
  const { attempts, calls, keptFor } = wanted;
  const reserves = attempts.filter(({ reason }) => reason !== 'retry');
  const stream = wanted.isStream ? { 'gen_ai.request.stream': true } : {};
  return {
    span: 'ingress server POST /api/v1/chat/completions',
    status: statusOf(wanted.serverError),
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/api/v1/chat/completions',
      'url.path': '/api/v1/chat/completions',
      'url.scheme': 'http',
      ...(wanted.httpStatus === undefined ? {} : { 'http.response.status_code': wanted.httpStatus }),
      ...(keptFor === undefined ? {} : { 'switchyard.trace.kept_for': keptFor }),
    },
    links: [],
    children: [
      {
        span: 'ingress internal gateway.request',
        status: statusOf(wanted.gatewayError),
        attributes: gatewayAttributes(wanted),
        // In one process attempts need no session.
        links: calls === 'remote' ? linkTo(METHODS.openSession, calls) : [],
        children: [
          row('ingress internal auth.api_key'),
          {
            ...row('ingress internal decide', {
              'switchyard.route.strategy': SOME_TEXT,
              'switchyard.route.candidates': new Set(attempts.map(({ provider }) => provider)).size,
              'switchyard.route.excluded': A_NUMBER,
              'switchyard.route.order': [...new Set(attempts.map(({ provider }) => `${MODEL}@${provider}`))],
              'switchyard.route.table_version': VERSION,
            }),
            links: linkTo(METHODS.watchTable, calls),
          },
          ...attempts.flatMap((attempt, index) => [
            ...(reserves.includes(attempt) ? [reserveRow(attempt, index, calls)] : []),
            attemptRow(attempt, index, stream),
          ]),
          sendRow(wanted.system),
        ],
      },
    ],
  };
}

function gatewayAttributes({ attempts, end, isStream, hasFirstToken, chargedMeters }: ExpectedRequest): SpanNode['attributes'] {
  const { provider } = attempts.at(-1)!;
  return {
    'switchyard.request.id': expect.stringMatching(/^gen-/),
    'switchyard.model.requested': MODEL,
    'switchyard.model.routed': MODEL,
    'switchyard.attempt.count': attempts.length,
    'switchyard.fallback': new Set(attempts.map((attempt) => attempt.provider)).size > 1,
    'switchyard.byok': false,
    'switchyard.org.id': SOME_TEXT,
    'switchyard.api_key.id': expect.stringMatching(/^[0-9a-f]{64}$/),
    'switchyard.provider.slug': provider,
    'switchyard.endpoint.id': `${MODEL}@${provider}`,
    ...(isStream && hasFirstToken ? { 'switchyard.time_to_first_token': A_NUMBER } : {}),
    'switchyard.end': end,
    'switchyard.cost.charged': AMOUNT,
    'switchyard.cost.upstream': AMOUNT,
    'switchyard.cost.currency': 'USD',
    'switchyard.pricing.version': SOME_TEXT,
    ...Object.fromEntries(chargedMeters.map((meter) => [`switchyard.cost.${meter}`, AMOUNT])),
  };
}

function reserveRow({ provider }: ExpectedAttempt, index: number, calls: ExpectedCalls): SpanNode {
  return {
    ...row('ingress internal reserve', {
      'switchyard.attempt.index': index,
      'switchyard.endpoint.id': `${MODEL}@${provider}`,
      'switchyard.reserve.outcome': 'reserved',
      'switchyard.cost.reserved': AMOUNT,
    }),
    links: linkTo(METHODS.acquireLeases, calls),
  };
}

/**
 * A call that serves many requests, a trace of its own: the caller's span and, over a wire, the called service's below it. `status`: what came over the
 * wire, `OK` unless the call failed through a fault of the caller.
 */
export function callTree(method: string, calls: ExpectedCalls, attributes: SpanNode['attributes'] = {}, failure?: { readonly status: string }): SpanNode {
  const answered = { 'rpc.system.name': 'grpc', 'rpc.method': method, 'rpc.status_code': failure?.status ?? 'OK' };
  const wire = { ...answered, 'server.address': SOME_TEXT, 'server.port': A_NUMBER };
  const span = row(callName(method, calls), { ...(calls === 'remote' ? wire : { 'rpc.method': method }), ...attributes });
  const served = row(`${serviceOf(method)} server ${method}`, answered);
  return { ...span, status: failure === undefined ? 'unset' : `error ${failure.status}`, children: calls === 'remote' ? [served] : [] };
}

/** A change of the table on a watch that is open: nothing was called for it. */
export function pushTree(calls: ExpectedCalls): SpanNode {
  return { ...callTree(METHODS.watchTable, calls, { ...PUSH_ATTRIBUTES, 'switchyard.route.table_is_snapshot': false }), children: [] };
}

export const METHODS = {
  resolveKey: 'switchyard.billing.v1.KeyService/ResolveKey',
  acquireLeases: 'switchyard.billing.v1.LeaseService/AcquireLeases',
  watchTable: 'switchyard.router.v1.RouterService/WatchRoutingTable',
  openSession: 'switchyard.worker.v1.WorkerService/OpenSession',
} as const;

/** What a push of the table tells. */
export const PUSH_ATTRIBUTES = { 'switchyard.route.table_version': VERSION, 'switchyard.route.table_is_snapshot': expect.any(Boolean) };

/** `billing` of `switchyard.billing.v1.KeyService/ResolveKey`. */
function serviceOf(method: string): string {
  return method.split('.')[1]!;
}

function linkTo(method: string, calls: ExpectedCalls): readonly string[] {
  return [callName(method, calls)];
}

function callName(method: string, calls: ExpectedCalls): string {
  return `ingress ${calls === 'remote' ? 'client' : 'internal'} ${method}`;
}

function attemptRow(attempt: ExpectedAttempt, index: number, stream: Readonly<Record<string, unknown>>): SpanNode {
  const { provider, finishReason, hasUsage, hasContent, isEstimated, errorType, isFromIngress } = attempt;
  const server = { 'server.address': '127.0.0.1', 'server.port': A_NUMBER };
  const status = attempt.status ?? 200;
  return {
    span: `${isFromIngress ? 'ingress' : 'worker'} client chat ${MODEL}`,
    status: statusOf(errorType),
    attributes: {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': provider,
      'gen_ai.request.model': MODEL,
      ...stream,
      ...(isFromIngress ? {} : { 'gen_ai.request.max_tokens': A_NUMBER }),
      ...server,
      ...(errorType === undefined || hasUsage ? { 'gen_ai.response.id': SOME_TEXT } : {}),
      ...(hasUsage && !isFromIngress ? { 'gen_ai.response.model': 'writer' } : {}),
      ...(finishReason === undefined ? {} : { 'gen_ai.response.finish_reasons': [finishReason] }),
      ...('gen_ai.request.stream' in stream && hasContent ? { 'gen_ai.response.time_to_first_chunk': A_NUMBER } : {}),
      ...(hasUsage ? { 'gen_ai.usage.input_tokens': A_NUMBER, 'gen_ai.usage.output_tokens': A_NUMBER } : {}),
      ...(hasUsage && isEstimated ? { 'switchyard.usage.estimated': true } : {}),
      'gen_ai.usage.cost.amount': hasUsage ? A_NUMBER : 0,
      'gen_ai.usage.cost.currency': 'USD',
      'gen_ai.usage.cost.source': 'local',
      'switchyard.attempt.index': index,
      'switchyard.attempt.reason': attempt.reason,
      'switchyard.provider.slug': provider,
      'switchyard.provider.model': 'writer',
      'switchyard.endpoint.id': `${MODEL}@${provider}`,
    },
    links: [],
    children: isFromIngress
      ? []
      : [
          {
            ...row('worker client POST', {
              'http.request.method': 'POST',
              'url.full': expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1\/chat\/completions$/),
              ...server,
              'http.response.status_code': status,
            }),
            status: status > 299 ? `error ${status}` : 'unset',
          },
        ],
  };
}

/** The event that money hangs on: the spool's sending, and billing's posting as a part of the request's own trace. */
function sendRow(system: ExpectedRequest['system']): SpanNode {
  const message = {
    'messaging.system': system,
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
    'messaging.destination.name': TOPIC,
    'messaging.message.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    ...(system === 'kafka' ? { 'messaging.kafka.message.key': expect.stringMatching(/^gen-/) } : {}),
  };
  return {
    ...row(`ingress producer send ${TOPIC}`, message),
    links: ['ingress internal gateway.request'],
    children: [
      {
        ...row(`billing consumer process ${TOPIC}`, {
          ...message,
          'messaging.operation.name': 'process',
          'messaging.operation.type': 'process',
          'messaging.destination.partition.id': expect.stringMatching(/^\d+$/),
          'messaging.consumer.group.name': 'billing',
          ...(system === 'kafka' ? { 'messaging.kafka.offset': A_NUMBER } : {}),
        }),
        links: [`ingress producer send ${TOPIC}`],
        children: [
          row('billing internal ledger post', {
            'switchyard.request.id': expect.stringMatching(/^gen-/),
            'switchyard.org.id': SOME_TEXT,
            'switchyard.api_key.id': expect.stringMatching(/^[0-9a-f]{64}$/),
            'switchyard.cost.charged': AMOUNT,
            'switchyard.cost.currency': 'USD',
          }),
        ],
      },
    ],
  };
}

function row(span: string, attributes: SpanNode['attributes'] = {}): SpanNode {
  return { span, status: 'unset', attributes, links: [], children: [] };
}

function statusOf(errorType: string | undefined): string {
  return errorType === undefined ? 'unset' : `error ${errorType}`;
}
