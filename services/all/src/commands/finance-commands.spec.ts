import { describe, expect, it } from '@jest/globals';
import { statementSchema } from '@switchyard/api';
import { billing } from '@switchyard/proto';
import { UsageError } from '../targets.js';
import { grantOf, parseAccountArguments } from './account-command.js';
import { verifyLedger } from './ledger-command.js';
import { parseStatementArguments } from './statement-command.js';

const SOUND = billing.VerifyLedgerResponse.fromPartial({
  transactionCount: 9_007_199_254_740_993n,
  entryCount: 4n,
  checks: ['zero_sum', 'whole_transactions'],
  totals: [{ name: 'all entries', amountPico: '0' }],
  flagCounts: [{ flag: 'delivery_unconfirmed', count: 25n, newest: ['gen-2', 'gen-1'] }],
});

async function verified(result: billing.VerifyLedgerResponse, isJson = false): Promise<{ exitCode: number; output: string }> {
  let output = '';
  const exitCode = await verifyLedger({ verifyLedger: () => Promise.resolve(result) }, isJson, (text) => (output += text));
  return { exitCode, output };
}

describe('ledger verify', () => {
  it('ends well when everything holds, and lists what is flagged', async () => {
    expect(await verified(SOUND)).toEqual({
      exitCode: 0,
      output:
        'flagged delivery_unconfirmed: 25, newest gen-2 gen-1\nall entries: 0 USD\nChecked 9007199254740993 transactions with 4 entries in 2 ways: no differences.\n',
    });
  });

  it('prints each difference and ends with 1 when something does not hold', async () => {
    const differences = [
      { check: 'zero_sum', subject: 'a', detail: 'sums to 1' },
      { check: 'lease_sums', subject: 'b', detail: 'granted 5' },
    ];
    const { exitCode, output } = await verified({ ...SOUND, differences });
    expect(exitCode).toBe(1);
    expect(output.split('\n').slice(0, 2)).toEqual(['zero_sum: a: sums to 1', 'lease_sums: b: granted 5']);
    expect(output).toContain('2 differences.');
    expect((await verified({ ...SOUND, differences }, true)).exitCode).toBe(1);
  });

  it('tells programs the same as JSON, large counts as text', async () => {
    expect(JSON.parse((await verified(SOUND, true)).output)).toMatchObject({
      transactionCount: '9007199254740993',
      differences: [],
      flagCounts: [{ count: '25' }],
    });
  });
});

describe('statement', () => {
  it.each([
    [[]],
    [['demo']],
    [['demo', '2026-10', 'more']],
    [['demo', '2026-10', '--format=xml']],
    [['demo', '2026-10', '--format=constructor']],
    [['demo', '2026-10', '--colour']],
  ])('refuses %j', (commandArguments) => {
    expect(() => parseStatementArguments(commandArguments)).toThrow(UsageError);
  });

  it('takes account, month and format in any order', () => {
    const { accountId, month, format } = parseStatementArguments(['--format', 'json', 'demo', '2026-10']);
    expect([accountId, month]).toEqual(['demo', '2026-10']);
    const empty = { credits_usd: '0', receivable_usd: '0', balance_usd: '0', balance_pico: '0' };
    const statement = statementSchema.parse({
      ...Object.fromEntries(
        ['bought', 'granted', 'charged', 'adjusted'].flatMap((name) => [
          [`${name}_usd`, '0'],
          [`${name}_pico`, '0'],
        ]),
      ),
      ...Object.fromEntries(
        ['billing_account_id', 'billing_account_name', 'billing_period_start', 'billing_period_end', 'created_at'].map((name) => [name, 'x']),
      ),
      billing_currency: 'USD',
      month: '2026-10',
      is_provisional: false,
      opening: empty,
      closing: empty,
      receivable: { arisen_usd: '0', covered_usd: '0' },
      requests: 0,
      by_key: [],
      by_model: [],
      entries: [],
      entry_count: 0,
      differences: [],
    });
    expect(JSON.parse(format(statement))).toEqual(statement);
    expect(parseStatementArguments(['demo', '2026-10']).format(statement)).toMatch(/^Statement of x \(x\) for 2026-10\n/);
    expect(parseStatementArguments(['demo', '2026-10', '--format=csv']).format(statement)).toMatch(/^month,/);
  });
});

describe('account', () => {
  it.each([
    [[]],
    [['create', 'acme']],
    [['create', '--name=Acme']],
    [['create', 'acme', 'more', '--name=Acme']],
    [['key', 'acme']],
    [['credit', 'acme', '--usd=5']],
    [['credit', 'acme', '--usd=0', '--reference=r']],
    [['credit', 'acme', '--usd=-5', '--reference=r']],
    [['credit', 'acme', '--usd=much', '--reference=r']],
    [['credit', 'acme', '--usd=1e30', '--reference=r']],
    [['credit', 'acme', '--usd=9223372.036854775808', '--reference=r']],
    [['credit', 'acme', '--usd=5', '--reference=']],
    [['credit', 'acme', '--usd=5', '--reference=two\nlines']],
    [['credit', 'acme', '--usd=5', `--reference=${'r'.repeat(1_001)}`]],
    [['delete', 'acme', '--name=Acme']],
    [['update', 'acme']],
    [['update', 'acme', '--requests-per-minute=0']],
    [['update', 'acme', '--tokens-per-minute=many']],
    [['update', 'acme', '--zdr=perhaps']],
  ])('refuses %j', (commandArguments) => {
    expect(() => parseAccountArguments(commandArguments)).toThrow(UsageError);
  });

  it('takes an amount to the last digit', () => {
    const { amountPico } = parseAccountArguments(['credit', 'acme', '--usd=12.000000000001', '--reference=r']) as { amountPico: bigint };
    expect(amountPico).toBe(12_000_000_000_001n);
  });

  it('books a credit once per reference, a long one too, and for an account of a long name', () => {
    const keyOf = (accountId: string, reference: string): string => {
      const wanted = parseAccountArguments(['credit', accountId, '--usd=5', `--reference=${reference}`]);
      if (wanted.action !== 'credit') throw new Error('a credit was asked for');
      return grantOf(wanted).idempotencyKey;
    };
    expect(keyOf('acme', 'invoice 2026-0017')).toBe('operator:acme:invoice 2026-0017');
    expect(keyOf('acme', 'r'.repeat(114))).toBe(`operator:acme:${'r'.repeat(114)}`);
    const long = ['r'.repeat(115), 'r'.repeat(1_000)].map((reference) => keyOf('acme', reference));
    const ofLongName = ['invoice 1', 'invoice 2'].map((reference) => keyOf('a'.repeat(128), reference));
    const keys = [...long, ...ofLongName];
    expect(new Set(keys).size).toBe(4);
    for (const key of keys) expect(key.length).toBeLessThanOrEqual(128);
    expect(keyOf('acme', 'r'.repeat(115))).toBe(long[0]);
  });

  it('changes the settings that are named, and clears those without a value', () => {
    const { settings } = parseAccountArguments([
      'update',
      'acme',
      '--requests-per-minute=600',
      '--tokens-per-minute=',
      '--allowed-providers=openai,anthropic',
    ]) as {
      settings: object;
    };
    expect(settings).toMatchObject({
      updateMask: ['requests_per_minute', 'tokens_per_minute', 'allowed_providers'],
      requestsPerMinute: 600n,
      tokensPerMinute: undefined,
      allowedProviders: ['openai', 'anthropic'],
    });
  });
});
