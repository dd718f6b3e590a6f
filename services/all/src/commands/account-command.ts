import { createHash } from 'node:crypto';
import { picoToUsd, usdToPico, type PicoUsd } from '@switchyard/core';
import { AccountPort, KeyPort, billing } from '@switchyard/proto';
import { UsageError } from '../targets.js';
import { withBilling } from './billing-client.js';
import { parseFlags } from './parse-flags.js';

const TIMEOUT_MS = 20_000;
/** What billing takes. */
const MAX_AMOUNT_PICO = 2n ** 63n - 1n;
const MAX_KEY_LENGTH = 128;
const MAX_REFERENCE_LENGTH = 1_000;
const USAGE =
  'Usage: account create <account> --name=<name> | account key <account> --name=<name> [--management] | account credit <account> --usd=<amount> --reference=<text> [--promotional] | account update <account> [--requests-per-minute=<count>] [--tokens-per-minute=<count>] [--zdr=true|false] [--allowed-providers=<a,b>] [--ignored-providers=<a,b>], where an empty value clears.';

type AccountSettings = Pick<
  billing.UpdateAccountRequest,
  'updateMask' | 'requestsPerMinute' | 'tokensPerMinute' | 'zdr' | 'allowedProviders' | 'ignoredProviders'
>;

export interface CreditArguments {
  readonly action: 'credit';
  readonly accountId: string;
  readonly amountPico: PicoUsd;
  readonly reference: string;
  readonly isPromotional: boolean;
}

export type AccountArguments =
  | { readonly action: 'create'; readonly accountId: string; readonly name: string }
  | { readonly action: 'update'; readonly accountId: string; readonly settings: AccountSettings }
  | { readonly action: 'key'; readonly accountId: string; readonly name: string; readonly kind: billing.KeyKind }
  | CreditArguments;

/**
 * `account`: what an operator does at a running billing service before an account's own management key can do the rest over HTTP. `create` may be run again
 * and changes nothing then; `credit` is booked once per reference; `update` changes what it names; `key` makes another key each time and is the only one to show it.
 */
export async function accountCommand(commandArguments: readonly string[]): Promise<number> {
  const wanted = parseAccountArguments(commandArguments);
  process.stdout.write(`${await withBilling((connect) => perform(wanted, connect(AccountPort), connect(KeyPort)))}\n`);
  return 0;
}

/** What came of it, in one line. */
async function perform(wanted: AccountArguments, accounts: AccountPort, keys: KeyPort): Promise<string> {
  const { accountId } = wanted;
  if (wanted.action === 'create') {
    await accounts.createAccount(billing.CreateAccountRequest.fromPartial({ accountId, name: wanted.name }), { timeoutMs: TIMEOUT_MS });
    return `The account ${accountId} is there.`;
  }
  if (wanted.action === 'key') {
    const { secret } = await keys.createKey(billing.CreateKeyRequest.fromPartial({ accountId, name: wanted.name, kind: wanted.kind }), {
      timeoutMs: TIMEOUT_MS,
    });
    return secret;
  }
  if (wanted.action === 'update') {
    await accounts.updateAccount(billing.UpdateAccountRequest.fromPartial({ accountId, ...wanted.settings }), { timeoutMs: TIMEOUT_MS });
    return `Changed for ${accountId}: ${wanted.settings.updateMask.join(', ')}.`;
  }
  await accounts.grantCredit(grantOf(wanted), { timeoutMs: TIMEOUT_MS });
  return `${picoToUsd(wanted.amountPico)} USD are booked for ${accountId} under "${wanted.reference}".`;
}

/** Booked once per account and reference: a reference that is too long for a key goes by its hash. */
export function grantOf({ accountId, amountPico, reference, isPromotional }: CreditArguments): billing.GrantCreditRequest {
  const name = `operator:${accountId}:${reference}`;
  const idempotencyKey = name.length <= MAX_KEY_LENGTH ? name : `operator:${createHash('sha256').update(name).digest('hex')}`;
  return billing.GrantCreditRequest.fromPartial({ accountId, amountPico, idempotencyKey, description: reference, isPromotional });
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const SETTINGS = { 'requests-per-minute': text, 'tokens-per-minute': text, zdr: text, 'allowed-providers': text, 'ignored-providers': text };
const OPTIONS = { name: text, usd: text, reference: text, promotional: flag, management: flag, ...SETTINGS };
const SETTING_NAMES = Object.keys(SETTINGS) as (keyof typeof SETTINGS)[];

/** @throws UsageError */
export function parseAccountArguments(commandArguments: readonly string[]): AccountArguments {
  const { values, positionals } = parseFlags({ args: commandArguments, allowPositionals: true, options: OPTIONS }, USAGE);
  const [action, accountId, ...rest] = positionals;
  const { name, usd, reference, promotional, management } = values;
  if (accountId === undefined || rest.length > 0) throw new UsageError(USAGE);
  if (action === 'create' && name !== undefined) return { action, accountId, name };
  if (action === 'key' && name !== undefined) {
    return { action, accountId, name, kind: management === true ? billing.KeyKind.MANAGEMENT : billing.KeyKind.INFERENCE };
  }
  if (action === 'credit' && usd !== undefined && reference !== undefined) {
    return { action, accountId, amountPico: positiveAmount(usd), reference: shortLine(reference), isPromotional: promotional === true };
  }
  if (action === 'update' && SETTING_NAMES.some((setting) => values[setting] !== undefined)) return { action, accountId, settings: settingsOf(values) };
  throw new UsageError(USAGE);
}

/** Only what is named changes; an empty value clears. */
function settingsOf(values: Partial<Record<keyof typeof SETTINGS, string>>): AccountSettings {
  return {
    updateMask: SETTING_NAMES.filter((setting) => values[setting] !== undefined).map((setting) => setting.replaceAll('-', '_')),
    requestsPerMinute: positiveCount('requests-per-minute', values['requests-per-minute']),
    tokensPerMinute: positiveCount('tokens-per-minute', values['tokens-per-minute']),
    zdr: truth('zdr', values.zdr),
    allowedProviders: slugs(values['allowed-providers']),
    ignoredProviders: slugs(values['ignored-providers']),
  };
}

function positiveCount(name: string, given = ''): bigint | undefined {
  if (given === '') return undefined;
  if (!/^[1-9]\d{0,17}$/.test(given)) throw new UsageError(`--${name}=${given} is not a positive count. ${USAGE}`);
  return BigInt(given);
}

function truth(name: string, given = ''): boolean {
  if (!['', 'true', 'false'].includes(given)) throw new UsageError(`--${name}=${given} is neither true nor false. ${USAGE}`);
  return given === 'true';
}

function slugs(given = ''): string[] {
  return given
    .split(',')
    .map((slug) => slug.trim())
    .filter((slug) => slug !== '');
}

function positiveAmount(usd: string): PicoUsd {
  try {
    const amountPico = usdToPico(usd);
    if (amountPico > 0n && amountPico <= MAX_AMOUNT_PICO) return amountPico;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw new UsageError(`--usd=${usd} is not a positive amount of at most ${picoToUsd(MAX_AMOUNT_PICO)}. ${USAGE}`);
}

function shortLine(reference: string): string {
  if (reference !== '' && reference.length <= MAX_REFERENCE_LENGTH && !/[\p{Cc}\p{Cs}]/u.test(reference)) return reference;
  throw new UsageError(`--reference must have 1 to ${MAX_REFERENCE_LENGTH} characters, none of them a control character.`);
}
