import { constants } from 'node:os';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

// The first process of a container takes no notice of signals that it does not listen to, and modules take seconds to load where processors are scarce.
// Until a command listens itself, a signal ends the process as it would end any other. The program is imported afterwards: what a module imports is loaded before it runs.
for (const signal of SIGNALS) {
  process.on(signal, () => {
    if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
  });
}

await import('./program.js');
