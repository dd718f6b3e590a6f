import { AccountPort, AnalyticsPort, CatalogPort, KeyPort, LeasePort, LedgerPort, RouterPort } from '@switchyard/proto';
import { defineTarget } from '@switchyard/runtime';
import { ingressConfig } from './ingress.config.js';
import { IngressModule } from './ingress.module.js';

export const ingressTarget = defineTarget({
  name: 'ingress',
  config: ingressConfig,
  provides: [],
  requires: [KeyPort, LeasePort, AccountPort, LedgerPort, AnalyticsPort, RouterPort, CatalogPort],
  requiresAttempts: true,
  requiresEventLog: true,
  module: (context) => IngressModule.register(context),
});
