import { renderValues } from '@switchyard/config';
import { checkTargets, type TargetName } from '@switchyard/runtime';
import { configSections, unreadVariables } from '../config-sections.js';
import { loadTargets } from '../targets.js';
import { parseTargetArguments } from './target-arguments.js';

/** Names every problem at once; exit code 1 when there is one. */
export async function checkConfigCommand(commandArguments: readonly string[]): Promise<number> {
  return checkConfiguration(parseTargetArguments(commandArguments).names);
}

export async function checkConfiguration(names: readonly TargetName[]): Promise<number> {
  const problems = checkTargets(await loadTargets(names));
  for (const problem of problems) process.stderr.write(`${problem.env} ${problem.message}\n`);
  for (const name of await unreadVariables()) process.stderr.write(`${name} is set, but nothing reads it\n`);
  if (problems.length === 0) process.stdout.write(`The configuration of ${names.join(', ')} is valid.\n`);
  return problems.length === 0 ? 0 : 1;
}

/** All values as `NAME=value`, or with `--diff` those that differ from their default. */
export async function printConfigCommand(commandArguments: readonly string[]): Promise<number> {
  const { names, printConfig } = parseTargetArguments(commandArguments);
  return printConfiguration(names, printConfig ?? 'all');
}

export async function printConfiguration(names: readonly TargetName[], mode: 'all' | 'diff'): Promise<number> {
  const text = renderValues(await configSections(names), { onlyChanged: mode === 'diff' });
  process.stdout.write(text === '' ? 'Everything has its default.\n' : `${text}\n`);
  return 0;
}
