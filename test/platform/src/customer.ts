import { usdToPico } from '@switchyard/core';
import { createPortClient, type PortClient } from '@switchyard/grpc';
import { AccountPort, billing, KeyPort, LedgerPort } from '@switchyard/proto';
import { call, type JsonResponse } from './http-client.js';
import type { StartedPlatform } from './start-platform.js';

/** Where a customer finds the platform. */
export type CustomerPlace = Pick<StartedPlatform, 'baseUrl' | 'grpcAddresses'>;

/** An account of a test's own, so that what it spends, owes and is refused is its own. */
export class Customer {
  private constructor(
    private readonly platform: CustomerPlace,
    private readonly accounts: PortClient<AccountPort>,
    private readonly ledgers: PortClient<LedgerPort>,
    readonly accountId: string,
    readonly workspaceId: string,
    readonly apiKey: string,
    readonly managementKey: string,
  ) {}

  /** Its credit is promotional: no purchase. */
  static async create(platform: CustomerPlace, creditUsd: string): Promise<Customer> {
    const address = billingOf(platform);
    const keys = createPortClient(KeyPort, address);
    const accounts = createPortClient(AccountPort, address);
    try {
      const { accountId, defaultWorkspaceId } = await accounts.port.createAccount(billing.CreateAccountRequest.fromPartial({ name: 'Customer' }));
      const newKey = async (kind: billing.KeyKind) =>
        (await keys.port.createKey(billing.CreateKeyRequest.fromPartial({ accountId, workspaceId: defaultWorkspaceId, name: 'first', kind }))).secret;
      const [apiKey, managementKey] = [await newKey(billing.KeyKind.INFERENCE), await newKey(billing.KeyKind.MANAGEMENT)];
      const ledgers = createPortClient(LedgerPort, address);
      const customer = new Customer(platform, accounts, ledgers, accountId, defaultWorkspaceId, apiKey, managementKey);
      await customer.grant(creditUsd, { isPromotional: true });
      return customer;
    } catch (error) {
      accounts.close();
      throw error;
    } finally {
      keys.close();
    }
  }

  /** The same customer after a new start of the platform. */
  on(platform: CustomerPlace): Customer {
    const address = billingOf(platform);
    const [accounts, ledgers] = [createPortClient(AccountPort, address), createPortClient(LedgerPort, address)];
    return new Customer(platform, accounts, ledgers, this.accountId, this.workspaceId, this.apiKey, this.managementKey);
  }

  /** Credit in USD, bought unless it is promotional. */
  async grant(creditUsd: string, options: { readonly isPromotional?: boolean } = {}): Promise<void> {
    await this.accounts.port.grantCredit(
      billing.GrantCreditRequest.fromPartial({
        accountId: this.accountId,
        amountPico: usdToPico(creditUsd),
        idempotencyKey: crypto.randomUUID(),
        isPromotional: options.isPromotional ?? false,
      }),
    );
  }

  /** What the ledger says of one generation. */
  async explain(generationId: string): Promise<Explanation> {
    return JSON.parse((await this.ledgers.port.explainGeneration({ generationId })).explanationJson) as Explanation;
  }

  /** Differences that billing finds in its own books. */
  async verifyLedger(): Promise<readonly { readonly check: string; readonly subject: string; readonly detail: string }[]> {
    return (await this.ledgers.port.verifyLedger({})).differences;
  }

  /** A call with the customer's inference key. */
  call<Body>(path: string, options: Parameters<typeof call>[2] = {}): Promise<JsonResponse<Body>> {
    return call<Body>(this.platform.baseUrl, path, { key: this.apiKey, ...options });
  }

  /** A call with the customer's management key. */
  manage<Body>(path: string, options: Parameters<typeof call>[2] = {}): Promise<JsonResponse<Body>> {
    return call<Body>(this.platform.baseUrl, path, { key: this.managementKey, ...options });
  }

  /** A new inference key with these settings, as `POST /keys` takes them. */
  async newKey(settings: object): Promise<{ readonly secret: string; readonly hash: string }> {
    const { body } = await this.manage<{ key: string; data: { hash: string } }>('/keys', { body: { name: 'test', ...settings } });
    return { secret: body.key, hash: body.data.hash };
  }

  close(): void {
    this.accounts.close();
    this.ledgers.close();
  }
}

function billingOf(platform: CustomerPlace): string {
  const address = platform.grpcAddresses?.['billing'];
  if (address === undefined) throw new Error('the platform names no address of billing');
  return address;
}

/** Amounts are pico-USD as text. */
export interface Explanation {
  readonly chargePico: string;
  readonly costPico: string;
  readonly postings: readonly {
    readonly kind: string;
    readonly entries: readonly { readonly ledgerAccount: string; readonly side: 'debit' | 'credit'; readonly amountPico: string }[];
  }[];
}
