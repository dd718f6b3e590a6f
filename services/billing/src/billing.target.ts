import { AccountPort, KeyPort, LeasePort, LedgerPort } from '@switchyard/proto';
import { defineTarget } from '@switchyard/runtime';
import { billingConfig, billingProblems } from './billing.config.js';
import { BillingModule } from './billing.module.js';
import { BILLING_MIGRATIONS } from './migrations/billing-migrations.js';

export const billingTarget = defineTarget({
  name: 'billing',
  config: billingConfig,
  problems: billingProblems,
  schema: { name: 'billing', migrations: BILLING_MIGRATIONS },
  provides: [KeyPort, LeasePort, AccountPort, LedgerPort],
  requires: [],
  requiresEventLog: true,
  module: (context) => BillingModule.register(context),
});
