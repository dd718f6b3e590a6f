import { gaugeDefinition, type MetricDefinition, type Metrics } from '@switchyard/telemetry';

const START = gaugeDefinition({
  name: 'switchyard_tls_certificate_start_seconds',
  help: 'From when the certificate that this process shows to other services is valid, in seconds since 1970; absent in plain text.',
  unit: 'seconds',
});
const EXPIRY = gaugeDefinition({
  name: 'switchyard_tls_certificate_expiry_seconds',
  help: 'When the certificate that this process shows to other services ends, in seconds since 1970; absent in plain text.',
  unit: 'seconds',
});

export const TLS_METRICS: readonly MetricDefinition[] = [START, EXPIRY];

/** A renewal that fails is seen before it hurts: how long before depends on how long a certificate lives. */
export function registerTlsMetrics(metrics: Metrics, tls: { readonly validity: { readonly startTimeMs: number; readonly expiryTimeMs: number } }): void {
  const start = metrics.gauge(START).labels();
  const expiry = metrics.gauge(EXPIRY).labels();
  metrics.onScrape(() => {
    const { startTimeMs, expiryTimeMs } = tls.validity;
    start.set(Math.floor(startTimeMs / 1000));
    expiry.set(Math.floor(expiryTimeMs / 1000));
  });
}
