import { setImmediate as yieldToRequests } from 'node:timers/promises';
import type { ExpositionFormat, Metrics } from './metrics.js';

export interface MetricsExposition {
  readonly contentType: string;
  /** In pieces, with a turn of the event loop between two: a scrape of thousands of series holds up no request. */
  readonly pieces: AsyncIterable<string>;
}

const CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** The answer to `GET /metrics`: OpenMetrics, which has exemplars, for whoever accepts it, else Prometheus' own text. */
export function exposeMetrics(metrics: Pick<Metrics, 'renderPieces'>, accept: string | undefined): MetricsExposition {
  const format: ExpositionFormat = accept?.includes('application/openmetrics-text') === true ? 'openmetrics' : 'prometheus';
  return { contentType: CONTENT_TYPES[format], pieces: unhurried(metrics.renderPieces(format)) };
}

async function* unhurried(pieces: Iterable<string>): AsyncIterable<string> {
  for (const piece of pieces) {
    yield piece;
    await yieldToRequests();
  }
}
