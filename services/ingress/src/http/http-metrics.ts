import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { HTTP_SERVER_DURATION, type Histogram, type Metrics } from '@switchyard/telemetry';

/** Status of a request whose client left before it had one. */
const CLIENT_CLOSED_STATUS = 499;

/** How long the requests of one route took, by their status. */
export class RouteMetrics {
  private readonly byStatus = new Map<number, Histogram>();

  constructor(private readonly create: (status: number) => Histogram) {}

  /** `status` undefined: the client left before it had one. */
  ended(status: number | undefined, durationMs: number, traceId?: string): void {
    const known = status ?? CLIENT_CLOSED_STATUS;
    let histogram = this.byStatus.get(known);
    if (histogram === undefined) {
      histogram = this.create(known);
      this.byStatus.set(known, histogram);
    }
    histogram.observe(durationMs / 1_000, traceId);
  }
}

/** Rate, errors and duration of every route. Labels are patterns of routes, never paths that somebody asked for. */
export class HttpMetrics {
  private readonly routes = new Map<string, RouteMetrics>();
  private readonly durations;

  constructor(metrics: Metrics) {
    this.durations = metrics.histogram(HTTP_SERVER_DURATION);
  }

  route(method: string, pattern: string): RouteMetrics {
    const name = `${method} ${pattern}`;
    let route = this.routes.get(name);
    if (route === undefined) {
      const labels = { http_request_method: method, http_route: pattern };
      route = new RouteMetrics((status) => this.durations.labels({ ...labels, http_response_status_code: String(status) }));
      this.routes.set(name, route);
    }
    return route;
  }

  /** Measures what Fastify serves; what is no route of ours counts as one, whatever its path and method. */
  observe(adapter: FastifyAdapter): void {
    adapter.getInstance().addHook('onResponse', (request, reply, done) => {
      const pattern = request.is404 ? undefined : request.routeOptions.url;
      const route = pattern === undefined ? this.route('', '') : this.route(request.method, pattern);
      route.ended(reply.statusCode, reply.elapsedTime);
      done();
    });
  }
}
