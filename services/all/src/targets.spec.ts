import { describe, expect, it } from '@jest/globals';
import { parseTargetArguments } from './commands/target-arguments.js';
import { parseTargetNames } from './targets.js';

describe('the command line', () => {
  it('reads targets in any order, once each', () => {
    expect(parseTargetNames('router, billing,router')).toEqual(['router', 'billing']);
    expect(parseTargetNames('all')).toEqual(['worker', 'billing', 'analytics', 'router', 'ingress']);
  });

  it('names the targets that exist when one does not', () => {
    expect(() => parseTargetNames('rooter')).toThrow('There is no target "rooter"; targets are worker, billing, analytics, router, ingress and all.');
  });

  it.each([
    [[], { names: 5, checkConfig: false, printConfig: undefined }],
    [['--target=ingress', '--check-config'], { names: 1, checkConfig: true, printConfig: undefined }],
    [['--print-config'], { names: 5, checkConfig: false, printConfig: 'all' }],
    [['--target', 'router', '--print-config=diff'], { names: 1, checkConfig: false, printConfig: 'diff' }],
    [['--diff'], { names: 5, checkConfig: false, printConfig: 'diff' }],
  ])('reads %j', (commandArguments, expected) => {
    const { names, checkConfig, printConfig } = parseTargetArguments(commandArguments);
    expect({ names: names.length, checkConfig, printConfig }).toEqual(expected);
  });

  it('refuses flags it does not know', () => {
    expect(() => parseTargetArguments(['--targets=all'])).toThrow("Unknown option '--targets'");
  });
});
