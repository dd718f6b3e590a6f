import { ANALYTICS_METRICS } from '../../services/analytics/dist/analytics-metrics.js';
import { BILLING_METRICS } from '../../services/billing/dist/billing-metrics.js';
import { INGRESS_METRICS } from '../../services/ingress/dist/ingress-metrics.js';
import { ROUTER_METRICS } from '../../services/router/dist/router-metrics.js';
import { WORKER_METRICS } from '../../services/worker/dist/worker-metrics.js';
import { CONSUMER_LAG_METRICS, SPOOL_METRICS } from '../../libs/events/dist/index.js';
import { TLS_METRICS } from '../../libs/runtime/dist/index.js';
import * as telemetry from '../../libs/telemetry/dist/index.js';

const HISTOGRAM_SERIES = 300;
const NUMBER_SERIES = 1_000;

const SECTIONS = [
  {
    title: 'Every process',
    text: 'CPU, memory, the event loop, certificates, and where spans go.',
    metrics: [...telemetry.PROCESS_METRICS, ...TLS_METRICS, ...telemetry.TRACING_METRICS],
  },
  { title: 'Ingress', text: 'Requests as clients see them, what the ingress holds, and whom it hears.', metrics: INGRESS_METRICS },
  { title: 'Worker', text: 'Attempts at providers.', metrics: WORKER_METRICS },
  { title: 'Spool (ingress and worker)', text: 'See [events](events.md).', metrics: SPOOL_METRICS },
  { title: 'Consumers (billing and analytics)', text: 'Their place in the event log.', metrics: CONSUMER_LAG_METRICS },
  { title: 'Billing', text: 'See [the ledger](ledger.md).', metrics: BILLING_METRICS },
  { title: 'Analytics', text: 'What routing learns from.', metrics: ANALYTICS_METRICS },
  { title: 'Router', text: 'The table that ingresses follow.', metrics: ROUTER_METRICS },
];

const INTRODUCTION = `# Metrics

Generated from the definitions in the code by \`npm run generate\`. \`GET /metrics\` of every process answers in Prometheus’ text format, or in OpenMetrics for who
accepts it, as Prometheus does. In OpenMetrics histograms carry exemplars: \`trace_id\` of a request in that bucket whose trace is kept. How to collect, show and
alert is in [the guide](../guides/monitoring.md).

Names that begin with \`gen_ai_\` and \`http_server_\` are those of OpenTelemetry’s semantic conventions (GenAI 1.41, HTTP stable) as OpenTelemetry writes them for
Prometheus: \`gen_ai.client.operation.duration\` in \`s\` becomes \`gen_ai_client_operation_duration_seconds\`; the unit \`{token}\` adds nothing. The client family
measures attempts at providers, the server family whole requests with their fallbacks. The GenAI conventions are not stable yet; what alerts and objectives
stand on is named \`switchyard_\`.

Labels have bounds, so that nobody can grow a process’s memory or a Prometheus by what they ask for: see [labels](#labels). What passes the bound of a metric is
counted in a series whose labels say \`other\`; of attempts, requests and routes only provider, model and route do, and errors, statuses and kinds of tokens stay true. The bound is ${NUMBER_SERIES} label sets of a counter or gauge and ${HISTOGRAM_SERIES} of a histogram per process, unless the table says otherwise.
`;

/** docs/reference/metrics.md. */
export function metricsReference() {
  return [INTRODUCTION, ...SECTIONS.map(section), labels(SECTIONS.flatMap(({ metrics }) => metrics))].join('\n');
}

function section({ title, text, metrics }) {
  return `## ${title}\n\n${text}\n\n${table(['name', 'type', 'unit', 'labels', 'meaning'], metrics.map(row))}`;
}

function row({ name, kind, unit, labelNames = [], maxSeries, buckets, help }) {
  const bound = maxSeries === undefined ? '' : ` At most ${maxSeries} label sets.`;
  const bounds = buckets === undefined ? '' : ` Buckets: ${buckets.join(', ')}.`;
  return [`\`${name}\``, kind, unit ?? '', labelNames.map((label) => `\`${label}\``).join(', '), `${help}${bounds}${bound}`];
}

function labels(metrics) {
  const used = new Set(metrics.flatMap(({ labelNames = [] }) => labelNames));
  const rows = [...used].sort().map((label) => {
    const known = telemetry.METRIC_LABELS[label];
    if (known === undefined) throw new Error(`METRIC_LABELS says nothing of the label ${label}`);
    return [`\`${label}\``, known.meaning, known.bound];
  });
  return `## Labels\n\n${table(['label', 'values', 'bound'], rows)}`;
}

/** Columns of equal width, as the formatter leaves them. */
function table(head, rows) {
  const escaped = [head, ...rows].map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...escaped.map((cells) => [...cells[column]].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell + ' '.repeat(widths[column] - [...cell].length)).join(' | ')} |`;
  const [first, ...others] = escaped;
  return [line(first), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...others.map(line), ''].join('\n');
}
