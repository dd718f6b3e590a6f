import { gaugeDefinition, type MetricDefinition, type Metrics } from '@switchyard/telemetry';

const SUBSCRIBERS = gaugeDefinition({ name: 'switchyard_routing_table_subscribers', help: 'Processes that follow the routing table.' });
const ENDPOINTS = gaugeDefinition({ name: 'switchyard_routing_table_endpoints', help: 'Endpoints of the routing table.' });
const MODELS = gaugeDefinition({ name: 'switchyard_routing_table_models', help: 'Models of the routing table.' });
const VERSION = gaugeDefinition({ name: 'switchyard_routing_table_version', help: 'Version of the routing table; it grows with every change.' });

export const ROUTER_METRICS: readonly MetricDefinition[] = [SUBSCRIBERS, ENDPOINTS, MODELS, VERSION];

/** What is asked of the publisher at every scrape. */
interface PublishedTable {
  readonly subscriberCount: number;
  readonly table: { readonly version: bigint; readonly endpoints: { readonly size: number }; readonly models: { readonly size: number } };
}

export function registerTableMetrics(metrics: Metrics, published: PublishedTable): void {
  const subscribers = metrics.gauge(SUBSCRIBERS).labels();
  const endpoints = metrics.gauge(ENDPOINTS).labels();
  const models = metrics.gauge(MODELS).labels();
  const version = metrics.gauge(VERSION).labels();
  metrics.onScrape(() => {
    const { table, subscriberCount } = published;
    subscribers.set(subscriberCount);
    endpoints.set(table.endpoints.size);
    models.set(table.models.size);
    version.set(Number(table.version));
  });
}
