import type { CredentialPort } from '@switchyard/proto';
import type { Logger } from '@switchyard/telemetry';

export interface CredentialWatchOptions {
  readonly port: CredentialPort;
  readonly logger: Logger;
  /** Every provider that an endpoint names. */
  providerSlugs(): string[];
  onCredentials(slugs: ReadonlySet<string>): void;
}

const CALL_TIMEOUT_MS = 2_000;

/** Asks the worker which providers it can authenticate to. While it does not answer, its last answer counts. */
export class CredentialWatch {
  private isBroken = false;

  constructor(private readonly options: CredentialWatchOptions) {}

  async check(): Promise<void> {
    const { port, logger } = this.options;
    try {
      const { providerSlugs } = await port.listProviderCredentials({ providerSlugs: this.options.providerSlugs() }, { timeoutMs: CALL_TIMEOUT_MS });
      this.options.onCredentials(new Set(providerSlugs));
      if (this.isBroken) logger.info('The worker tells its credentials again');
      this.isBroken = false;
    } catch (error) {
      if (!this.isBroken) logger.warn('The worker does not tell which providers it can use; its last answer counts', { error });
      this.isBroken = true;
    }
  }
}
