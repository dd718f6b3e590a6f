import { DEFAULT_REQUEST_LIMITS, type RequestLimits } from '@switchyard/api';
import type { Clock } from '@switchyard/core';
import type { AccountPort, AnalyticsPort, CatalogPort, KeyPort, LedgerPort, RouterPort } from '@switchyard/proto';
import type { CircuitBreakers, DeadlineSettings } from '@switchyard/routing';
import type { ReadinessReport } from '@switchyard/runtime';
import type { Logger, Metrics } from '@switchyard/telemetry';
import type { Authenticator } from '../auth/authenticator.js';
import { CatalogView } from './catalog-view.js';
import { KeyAccess } from './key-access.js';
import type { ManagementBodies } from './management-bodies.js';

/** What the management routes are built from. */
export interface ManagementOptions {
  readonly authenticator: Authenticator;
  readonly keys: KeyPort;
  readonly accounts: AccountPort;
  readonly ledger: LedgerPort;
  readonly analytics: AnalyticsPort;
  readonly router: RouterPort;
  readonly catalog: CatalogPort;
  /** What this process saw of the endpoints. */
  readonly breakers: Pick<CircuitBreakers, 'states'>;
  /** How long attempts of this process may take; what is not named is the routing engine's default. */
  readonly deadlines: Partial<DeadlineSettings>;
  readiness(): ReadinessReport;
  readonly metrics: Pick<Metrics, 'renderPieces'>;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Unix milliseconds on billing's clock, which prices go by. */
  billingNowMs(): number;
  readonly limits?: RequestLimits;
  readonly bodies: ManagementBodies;
  /** How old the catalogue may be that answers show; it is read when somebody asks. */
  readonly catalogMaxAgeMs?: number;
  /** The program's version, for the API description. */
  readonly version?: string;
}

export interface ManagementContext extends Required<ManagementOptions> {
  readonly access: KeyAccess;
  readonly catalogView: CatalogView;
}

/** Injection token of the `ManagementContext`. */
export const MANAGEMENT_CONTEXT = Symbol.for('switchyard.ingress.management-context');

/** Every route answers below both. */
export const API_PREFIXES = ['api/v1', 'v1'];

const DEFAULT_CATALOG_MAX_AGE_MS = 2_000;

export function managementContext(options: ManagementOptions): ManagementContext {
  const catalogMaxAgeMs = options.catalogMaxAgeMs ?? DEFAULT_CATALOG_MAX_AGE_MS;
  return {
    limits: DEFAULT_REQUEST_LIMITS,
    version: '0.1.0',
    ...options,
    catalogMaxAgeMs,
    access: new KeyAccess(options.authenticator),
    catalogView: new CatalogView(options.catalog, options.clock, catalogMaxAgeMs),
  };
}
