import { gaugeDefinition, type MetricDefinition, type Metrics } from '@switchyard/telemetry';

const EXPIRY = gaugeDefinition({
  name: 'switchyard_tls_certificate_expiry_seconds',
  help: 'When the certificate that this process shows to other services ends, in seconds since 1970; absent in plain text.',
  unit: 'seconds',
});

export const TLS_METRICS: readonly MetricDefinition[] = [EXPIRY];

/** A renewal that fails is seen before it hurts. */
export function registerTlsMetrics(metrics: Metrics, tls: { readonly expiryTimeMs: number }): void {
  const expiry = metrics.gauge(EXPIRY).labels();
  metrics.onScrape(() => expiry.set(Math.floor(tls.expiryTimeMs / 1000)));
}
