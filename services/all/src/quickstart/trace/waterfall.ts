import { GEN_AI, HTTP, SWITCHYARD } from '@switchyard/telemetry';
import type { ReceivedSpan } from './received-span.js';

const BAR_WIDTH = 32;
const NAME_WIDTH = 26;

/** One request for a person at a terminal: a line for the whole, then one for each span with its place in time. */
export function waterfall(spans: readonly ReceivedSpan[]): string {
  const server = spans.find(({ attributes }) => attributes[HTTP.route] !== undefined);
  const gateway = spans.find(({ name }) => name === 'gateway.request');
  if (!server || !gateway) return '';
  const rows = below(gateway, spans, 0).map(({ span, depth }) => row(span, depth, server));
  return [headline(server, gateway), ...rows].join('\n');
}

function headline(server: ReceivedSpan, gateway: ReceivedSpan): string {
  const { attributes } = gateway;
  const attempts = Number(attributes[SWITCHYARD.attemptCount] ?? 0);
  const firstToken = attributes[SWITCHYARD.timeToFirstToken];
  const parts = [
    text(attributes[SWITCHYARD.requestId] ?? server.attributes[HTTP.route]),
    text(attributes[SWITCHYARD.modelRouted]),
    text(server.attributes[HTTP.statusCode]),
    text(attributes[SWITCHYARD.end]).replaceAll('_', ' '),
    attempts > 1 ? `${attempts} attempts` : '',
    typeof firstToken === 'number' ? `first token ${duration(firstToken * 1000)}` : '',
    duration(server.endMs - server.startMs),
    money(attributes[SWITCHYARD.charged]),
  ];
  return parts.filter((part) => part !== '').join('  ');
}

function below(parent: ReceivedSpan, spans: readonly ReceivedSpan[], depth: number): { readonly span: ReceivedSpan; readonly depth: number }[] {
  const children = spans.filter(({ parentSpanId }) => parentSpanId === parent.spanId).sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
  return children.flatMap((span) => [{ span, depth }, ...below(span, spans, depth + 1)]);
}

function row(span: ReceivedSpan, depth: number, server: ReceivedSpan): string {
  const name = `${'  '.repeat(depth)}${span.name.replace(/switchyard\.|\.v1$/g, '')}`;
  const shown = name.length > NAME_WIDTH ? `${name.slice(0, NAME_WIDTH - 1)}…` : name;
  const start = duration(span.startMs - server.startMs);
  const took = duration(span.endMs - span.startMs);
  return `  ${shown.padEnd(NAME_WIDTH)} ${bar(span, server)} ${start.padStart(9)} ${took.padStart(9)}  ${details(span)}`.trimEnd();
}

/** The span's place within the request; what happens afterwards stands at the right edge. */
function bar(span: ReceivedSpan, server: ReceivedSpan): string {
  const lengthMs = Math.max(server.endMs - server.startMs, 0.001);
  const place = (timeMs: number) => Math.min(BAR_WIDTH, Math.max(0, ((timeMs - server.startMs) / lengthMs) * BAR_WIDTH));
  if (span.startMs >= server.endMs) return `│${' '.repeat(BAR_WIDTH)}▶`;
  const start = Math.min(BAR_WIDTH - 1, Math.floor(place(span.startMs)));
  const end = Math.max(start + 1, Math.ceil(place(span.endMs)));
  return `│${' '.repeat(start)}${(span.isError ? '▒' : '█').repeat(end - start)}${' '.repeat(BAR_WIDTH - end)}│`;
}

function details({ name, attributes, isError }: ReceivedSpan): string {
  const error = isError ? `failed: ${text(attributes['error.type'])}` : '';
  return [error, ...(name === 'decide' ? decisionDetails(attributes) : attemptDetails(attributes))].filter((part) => part !== '').join('  ');
}

function decisionDetails(attributes: ReceivedSpan['attributes']): string[] {
  const order = attributes[SWITCHYARD.order];
  return [text(attributes[SWITCHYARD.strategy]), Array.isArray(order) ? order.join(' → ') : ''];
}

function attemptDetails(attributes: ReceivedSpan['attributes']): string[] {
  const [input, output, cost] = [attributes[GEN_AI.inputTokens], attributes[GEN_AI.outputTokens], attributes[GEN_AI.costAmount]];
  const firstChunk = attributes[GEN_AI.timeToFirstChunk];
  const reason = text(attributes[SWITCHYARD.attemptReason]).replaceAll('_', ' ');
  return [
    attributes[GEN_AI.operation] === undefined ? '' : text(attributes[SWITCHYARD.providerSlug]),
    reason === 'primary' ? '' : reason,
    typeof firstChunk === 'number' ? `first chunk after ${duration(firstChunk * 1000)}` : '',
    typeof input === 'number' ? `${input} → ${text(output)} tokens` : '',
    typeof cost === 'number' && input !== undefined ? `costs $${dollars(cost)}` : '',
    attributes['messaging.system'] === undefined && attributes[SWITCHYARD.apiKey] !== undefined ? money(attributes[SWITCHYARD.charged]) : '',
  ];
}

function duration(durationMs: number): string {
  if (durationMs >= 10_000) return `${(durationMs / 1000).toFixed(1)} s`;
  return `${durationMs < 100 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`;
}

function money(amountUsd: unknown): string {
  return typeof amountUsd === 'string' ? `charged $${amountUsd.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')}` : '';
}

/** Without an exponent, which tiny amounts would have. */
function dollars(amountUsd: number): string {
  return amountUsd.toFixed(12).replace(/0+$/, '').replace(/\.$/, '');
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
