import { CredentialPort } from '@switchyard/proto';
import { defineTarget } from '@switchyard/runtime';
import { workerConfig } from './worker.config.js';
import { WorkerModule } from './worker.module.js';

export const workerTarget = defineTarget({
  name: 'worker',
  config: workerConfig,
  provides: [CredentialPort],
  requires: [],
  requiresEventLog: true,
  module: (context) => WorkerModule.register(context),
});
