import type { TargetName } from '@switchyard/runtime';
import { parseTargetNames, UsageError } from '../targets.js';
import { parseFlags } from './parse-flags.js';

export interface TargetArguments {
  readonly names: readonly TargetName[];
  readonly checkConfig: boolean;
  /** `--print-config` or `--print-config=diff`. */
  readonly printConfig: 'all' | 'diff' | undefined;
  /** For programs that start this one: stop when standard input closes, so that nothing outlives its parent. */
  readonly stopWithParent: boolean;
}

/** `--target=a,b` (all when absent) and the flags that go with it. */
export function parseTargetArguments(commandArguments: readonly string[]): TargetArguments {
  const normalised = commandArguments.map((argument) => (argument === '--print-config' ? '--print-config=all' : argument));
  const { values } = parseFlags({
    args: normalised,
    options: {
      target: { type: 'string', multiple: true },
      'check-config': { type: 'boolean' },
      'print-config': { type: 'string' },
      diff: { type: 'boolean' },
      'stop-with-parent': { type: 'boolean' },
    },
  });
  const printConfig = values['print-config'];
  if (printConfig !== undefined && printConfig !== 'all' && printConfig !== 'diff') throw new UsageError('--print-config takes nothing or "diff".');
  return {
    names: parseTargetNames((values.target ?? ['all']).join(',')),
    checkConfig: values['check-config'] ?? false,
    printConfig: values.diff === true ? 'diff' : printConfig,
    stopWithParent: values['stop-with-parent'] ?? false,
  };
}
