import type { billing } from '@switchyard/proto';
import type { CallWaiter } from '@switchyard/telemetry';

/** Header names in lower case, as Node gives them. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

export interface Authenticator {
  /**
   * The key of `Authorization: Bearer …`, which may be used now: known, enabled, not expired. The waiter hears of a call that the request waits for.
   * @throws SwitchyardError `authentication` (missing, unknown, disabled or expired key), `gateway_unavailable` (billing cannot be asked)
   */
  authenticate(headers: RequestHeaders, waiter?: CallWaiter): Promise<billing.Key>;
}
