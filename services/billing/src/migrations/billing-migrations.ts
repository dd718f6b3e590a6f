import type { Migration } from '@switchyard/db';
import { AllowContentInTraces1764300000000 } from './allow-content-in-traces.migration.js';
import { BoundPastWindows1764500000000 } from './bound-past-windows.migration.js';
import { CreateAccountsAndKeys1763700000000 } from './create-accounts-and-keys.migration.js';
import { CreateLeases1763700002000 } from './create-leases.migration.js';
import { CreateLedger1763700001000 } from './create-ledger.migration.js';
import { IndexLeasesOfScope1764400000000 } from './index-leases-of-scope.migration.js';
import { IndexStatements1764100000000 } from './index-statements.migration.js';
import { LightenPosting1764200000000 } from './lighten-posting.migration.js';
import { RememberLastUse1764600000000 } from './remember-last-use.migration.js';
import { VacuumLeasesInTime1764700000000 } from './vacuum-leases-in-time.migration.js';

export const BILLING_MIGRATIONS: readonly Migration[] = [
  CreateAccountsAndKeys1763700000000,
  CreateLedger1763700001000,
  CreateLeases1763700002000,
  IndexStatements1764100000000,
  LightenPosting1764200000000,
  AllowContentInTraces1764300000000,
  IndexLeasesOfScope1764400000000,
  BoundPastWindows1764500000000,
  RememberLastUse1764600000000,
  VacuumLeasesInTime1764700000000,
];
