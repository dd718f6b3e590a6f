import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

const OLDEST_NODE = { major: 24, minor: 9 };
/**
 * How much the memory of objects that live long may grow before V8 looks through it again. By itself it lets it grow to four times what lived, and keeps that:
 * 250 MiB more under load, for no less CPU.
 */
const HEAP_GROWTH_PERCENT = 50;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

if (isNodeTooOld()) await runOnPackagedNode();
else {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  endBySignalsWhileLoading();
  // Afterwards: what a module imports is loaded before it runs.
  await import('./program.js');
}

function isNodeTooOld(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major < OLDEST_NODE.major || (major === OLDEST_NODE.major && minor < OLDEST_NODE.minor);
}

/** A clone has a Node that is new enough among its packages; its set-up finds that, or says what to install. An image's own is always new enough. */
async function runOnPackagedNode(): Promise<void> {
  const setUp = new URL('../../../tools/bootstrap.mjs', import.meta.url).href;
  process.argv.splice(1, 1, fileURLToPath(setUp), '--no-build', fileURLToPath(import.meta.url));
  await import(setUp);
}

/**
 * The first process of a container takes no notice of signals that it does not listen to, and modules take seconds to load where processors are scarce.
 * Until a command listens itself, a signal ends the process as it would end any other.
 */
function endBySignalsWhileLoading(): void {
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(128 + constants.signals[signal]);
    });
  }
}
