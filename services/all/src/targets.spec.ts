import { describe, expect, it } from '@jest/globals';
import { checkTargets } from '@switchyard/runtime';
import { parseChatArguments } from './commands/chat-command.js';
import { parseSimulateArguments } from './commands/simulate-command.js';
import { parseTargetArguments } from './commands/target-arguments.js';
import { loadTargets, parseTargetNames, UsageError } from './targets.js';

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

  it('reads where simulators listen and what the catalogue calls them', () => {
    expect(parseSimulateArguments(['--catalog-file=-', '--host=0.0.0.0', '--port=9200', '--advertised-host=simulator', '--catalog-only'])).toEqual({
      catalogFile: '-',
      catalogOnly: true,
      host: '0.0.0.0',
      firstPort: 9200,
      advertisedHost: 'simulator',
      betweenWordsMs: undefined,
    });
  });

  it.each([[[]], [['--catalog-file=-', '--catalog-only']], [['--catalog-file=-', '--port=many']], [['--catalog-file=-', '--port=70000']]])(
    'refuses to simulate with %j',
    (commandArguments) => {
      expect(() => parseSimulateArguments(commandArguments)).toThrow(UsageError);
    },
  );

  const chat = ['--base-url=http://127.0.0.1:8080/api/v1', '--model=acme/writer'];
  it.each([[[]], [['--model=a/b']], [['--base-url=here', '--model=a/b']], [[...chat, '--timeout=soon']], [[...chat, '--key=k', '--demo-account']]])(
    'refuses to chat with %j',
    (commandArguments) => {
      expect(() => parseChatArguments(commandArguments)).toThrow(UsageError);
    },
  );

  it('chats with a minute of patience and twenty words unless told otherwise', () => {
    expect(parseChatArguments(chat)).toMatchObject({ key: undefined, usesDemoAccount: false, timeoutMs: 60_000, message: 'say 20 words' });
  });
});

describe('the check of the configuration', () => {
  const addresses = Object.fromEntries(['ROUTER', 'WORKER', 'BILLING', 'ANALYTICS'].map((name) => [`SWITCHYARD_${name}_ADDRESS`, 'service:9090']));

  it.each([
    ['all', {}, 'the target billing keeps its data there'],
    ['router', { KAFKA_BROKERS: 'kafka:9092' }, 'the target router keeps its data there'],
    ['worker', {}, 'without KAFKA_BROKERS the event log lives there'],
    ['ingress', {}, 'without KAFKA_BROKERS the event log lives there'],
  ])('misses the database of %s with %j', async (names, environment, reason) => {
    const problems = checkTargets(await loadTargets(parseTargetNames(names)), { ...addresses, ...environment });
    expect(problems).toEqual([{ env: 'SWITCHYARD_DATABASE_URL', message: `is required: ${reason}` }]);
  });

  it('says what contradicts each other, before billing needs its database', async () => {
    const environment = { SWITCHYARD_DATABASE_URL: 'postgres://database/switchyard', SWITCHYARD_LEASE_ABANDON_AFTER_MS: '11m' };
    const message = 'must be more than 660000, the reserve time and the settle margin together';
    const problems = async (settings: Record<string, string>) => checkTargets(await loadTargets(['billing']), { ...environment, ...settings });
    expect(await problems({})).toEqual([{ env: 'SWITCHYARD_LEASE_ABANDON_AFTER_MS', message }]);
    expect(await problems({ SWITCHYARD_LEASE_RESERVE_MS: '59s' })).toEqual([]);
    expect(await problems({ SWITCHYARD_LEASE_RESERVE_MS: 'soon' })).toMatchObject([{ env: 'SWITCHYARD_LEASE_RESERVE_MS' }]);
  });

  it.each([
    ['all', { SWITCHYARD_DATABASE_URL: 'postgres://database/switchyard' }],
    ['worker,ingress', { KAFKA_BROKERS: 'kafka:9092' }],
  ])('lets %s start with %j', async (names, environment) => {
    expect(checkTargets(await loadTargets(parseTargetNames(names)), { ...addresses, ...environment })).toEqual([]);
  });
});
