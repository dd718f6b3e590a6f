import { AnalyticsServiceService } from './gen/switchyard/analytics/v1/analytics.js';
import { AccountServiceService, KeyServiceService, LeaseServiceService, LedgerServiceService } from './gen/switchyard/billing/v1/billing.js';
import { CatalogServiceService, RouterServiceService } from './gen/switchyard/router/v1/router.js';
import { CredentialServiceService } from './gen/switchyard/worker/v1/worker.js';
import { definePort, type PortOf } from './port.js';

/** Every port of the platform, named after the target that provides it. The worker's sessions are not one: see libs/grpc. */
export const KeyPort = definePort('billing.KeyService', KeyServiceService);
export type KeyPort = PortOf<typeof KeyServiceService>;

export const LeasePort = definePort('billing.LeaseService', LeaseServiceService);
export type LeasePort = PortOf<typeof LeaseServiceService>;

export const AccountPort = definePort('billing.AccountService', AccountServiceService);
export type AccountPort = PortOf<typeof AccountServiceService>;

export const LedgerPort = definePort('billing.LedgerService', LedgerServiceService);
export type LedgerPort = PortOf<typeof LedgerServiceService>;

export const AnalyticsPort = definePort('analytics.AnalyticsService', AnalyticsServiceService);
export type AnalyticsPort = PortOf<typeof AnalyticsServiceService>;

export const RouterPort = definePort('router.RouterService', RouterServiceService);
export type RouterPort = PortOf<typeof RouterServiceService>;

export const CatalogPort = definePort('router.CatalogService', CatalogServiceService);
export type CatalogPort = PortOf<typeof CatalogServiceService>;

export const CredentialPort = definePort('worker.CredentialService', CredentialServiceService);
export type CredentialPort = PortOf<typeof CredentialServiceService>;
