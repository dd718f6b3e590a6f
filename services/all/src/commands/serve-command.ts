import { runTargets, runUntilSignal } from '@switchyard/runtime';
import { unreadVariables } from '../config-sections.js';
import { loadTargets } from '../targets.js';
import { checkConfiguration, printConfiguration } from './config-commands.js';
import { parseTargetArguments } from './target-arguments.js';

/** Runs targets until a signal comes. */
export async function serveCommand(commandArguments: readonly string[]): Promise<number> {
  const { names, checkConfig, printConfig, stopWithParent } = parseTargetArguments(commandArguments);
  if (checkConfig) return checkConfiguration(names);
  if (printConfig !== undefined) return printConfiguration(names, printConfig);
  if (stopWithParent) followParent();
  const targets = await loadTargets(names);
  const cancel = new AbortController();
  const starting = runTargets({ targets, cancelSignal: cancel.signal, unreadVariables: await unreadVariables() });
  // A signal may come while the start still waits for a database.
  const stopped = runUntilSignal(async () => {
    cancel.abort(new Error('The process is stopping'));
    await starting.then((platform) => platform.stop()).catch(() => undefined);
  });
  await Promise.race([stopped, failureOf(starting, cancel.signal)]);
  return 0;
}

/** Settles only when a start failed that nobody cancelled. */
async function failureOf(starting: Promise<unknown>, cancelSignal: AbortSignal): Promise<never> {
  try {
    await starting;
  } catch (error) {
    if (!cancelSignal.aborted) throw error;
  }
  return new Promise(() => undefined);
}

/** A parent that died, however it died, closes our standard input; we then stop as if it had asked us to. */
function followParent(): void {
  process.stdin.resume();
  process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM'));
}
