import type { billing } from '@switchyard/proto';
import type { CallWaiter } from '@switchyard/telemetry';

/** Header names in lower case, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** A key that may be used now: known, enabled, not expired. */
export interface AuthenticatedKey {
  readonly key: billing.Key;
  /** Verified earlier, while billing can no longer be asked. */
  readonly isStale: boolean;
}

export interface Authenticator {
  /**
   * The key of `Authorization: Bearer …`. The waiter hears of a call that the request waits for.
   * @throws SwitchyardError `authentication` (missing, unknown, disabled or expired key), `gateway_unavailable` (billing cannot be asked)
   */
  authenticate(headers: RequestHeaders, waiter?: CallWaiter): Promise<AuthenticatedKey>;
}
