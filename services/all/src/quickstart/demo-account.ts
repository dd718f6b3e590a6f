import { createHash } from 'node:crypto';
import { PICO_PER_USD } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import { billing, type AccountPort, type KeyPort } from '@switchyard/proto';
import type { SecretsFile } from './secrets-file.js';

export const DEMO_ACCOUNT_ID = 'demo';
const DEMO_CREDIT_PICO = 100n * PICO_PER_USD;
const TIMEOUT_MS = 20_000;

export interface DemoKeys {
  readonly apiKey: string;
  readonly managementKey: string;
}

export interface BillingPorts {
  readonly accounts: AccountPort;
  readonly keys: KeyPort;
}

/** The demo account with its credit, granted once ever, and its two keys, which are made again only when the database does not know them. */
export async function ensureDemoAccount(ports: BillingPorts, secrets: SecretsFile): Promise<DemoKeys> {
  const { defaultWorkspaceId } = await ports.accounts.createAccount(billing.CreateAccountRequest.fromPartial({ accountId: DEMO_ACCOUNT_ID, name: 'Demo' }), {
    timeoutMs: TIMEOUT_MS,
  });
  const credit = { accountId: DEMO_ACCOUNT_ID, amountPico: DEMO_CREDIT_PICO, idempotencyKey: 'quickstart-demo-credit', description: 'Demo credit' };
  await ports.accounts.grantCredit(billing.GrantCreditRequest.fromPartial({ ...credit, isPromotional: true }), { timeoutMs: TIMEOUT_MS });
  const apiKey = await ensureKey(ports.keys, secrets.value.apiKey, { workspaceId: defaultWorkspaceId, name: 'Demo', kind: billing.KeyKind.INFERENCE });
  const managementKey = await ensureKey(ports.keys, secrets.value.managementKey, {
    workspaceId: defaultWorkspaceId,
    name: 'Demo management',
    kind: billing.KeyKind.MANAGEMENT,
  });
  secrets.save({ apiKey, managementKey });
  return { apiKey, managementKey };
}

async function ensureKey(keys: KeyPort, known: string | undefined, wanted: { workspaceId: string; name: string; kind: billing.KeyKind }): Promise<string> {
  if (known !== undefined && (await isUsable(keys, known))) return known;
  const { secret } = await keys.createKey(billing.CreateKeyRequest.fromPartial({ accountId: DEMO_ACCOUNT_ID, ...wanted }), { timeoutMs: TIMEOUT_MS });
  return secret;
}

async function isUsable(keys: KeyPort, secret: string): Promise<boolean> {
  try {
    const { key } = await keys.resolveKey({ secretHash: createHash('sha256').update(secret).digest('hex') }, { timeoutMs: TIMEOUT_MS });
    return key !== undefined && !key.disabled && !key.deleted;
  } catch (error) {
    if (error instanceof SwitchyardError && error.type === 'not_found') return false;
    throw error;
  }
}
