import { AnalyticsPort, CatalogPort, CredentialPort, RouterPort } from '@switchyard/proto';
import { defineTarget } from '@switchyard/runtime';
import { CreateCatalog1763700000000 } from './migrations/create-catalog.migration.js';
import { routerConfig } from './router.config.js';
import { RouterModule } from './router.module.js';

export const routerTarget = defineTarget({
  name: 'router',
  config: routerConfig,
  schema: { name: 'router', migrations: [CreateCatalog1763700000000] },
  provides: [RouterPort, CatalogPort],
  requires: [AnalyticsPort, CredentialPort],
  module: (context) => RouterModule.register(context),
});
