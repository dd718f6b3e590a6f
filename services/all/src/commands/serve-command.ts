import { runTargets, runUntilSignal } from '@switchyard/runtime';
import { loadTargets } from '../targets.js';
import { checkConfiguration, printConfiguration } from './config-commands.js';
import { parseTargetArguments } from './target-arguments.js';

/** Runs targets until a signal comes. */
export async function serveCommand(commandArguments: readonly string[]): Promise<number> {
  const { names, checkConfig, printConfig, stopWithParent } = parseTargetArguments(commandArguments);
  if (checkConfig) return checkConfiguration(names);
  if (printConfig !== undefined) return printConfiguration(names, printConfig);
  if (stopWithParent) followParent();
  const platform = await runTargets({ targets: await loadTargets(names) });
  await runUntilSignal(() => platform.stop());
  return 0;
}

/** A parent that died, however it died, closes our standard input; we then stop as if it had asked us to. */
function followParent(): void {
  process.stdin.resume();
  process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM'));
}
