// Runs the simulated providers for the process that started this one, until that one is gone. Prints one line of JSON: the catalogue file that leads to them.
import { PROVIDER_MANIFESTS } from '@switchyard/providers';
import { startSimulators } from '@switchyard/simulator';

const parentGone = new Promise<void>((resolve) => process.stdin.once('close', () => resolve()));
process.stdin.resume();
process.on('SIGINT', () => undefined);
const simulators = await startSimulators(PROVIDER_MANIFESTS.map((manifest) => manifest.slug));
process.stdout.write(`${JSON.stringify(simulators.catalog)}\n`);
await parentGone;
process.exit(0);
