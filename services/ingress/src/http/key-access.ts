import { SwitchyardError } from '@switchyard/errors';
import { billing } from '@switchyard/proto';
import type { Authenticator, RequestHeaders } from '../auth/authenticator.js';

/** Which kind of key a management route takes. */
export class KeyAccess {
  constructor(private readonly authenticator: Authenticator) {}

  /** @throws SwitchyardError `authentication` */
  anyKey(headers: RequestHeaders): Promise<billing.Key> {
    return this.authenticator.authenticate(headers);
  }

  /** @throws SwitchyardError `authentication`, or `permission_denied` for an inference key */
  async managementKey(headers: RequestHeaders): Promise<billing.Key> {
    const key = await this.anyKey(headers);
    if (key.kind !== billing.KeyKind.MANAGEMENT) throw new SwitchyardError('permission_denied', 'Only management keys can perform this operation');
    return key;
  }

  /** Public pages show more to callers with a key, and never fail for want of one. */
  async hasValidKey(headers: RequestHeaders): Promise<boolean> {
    if (headers['authorization'] === undefined) return false;
    try {
      await this.authenticator.authenticate(headers);
      return true;
    } catch (error) {
      if (error instanceof SwitchyardError) return false;
      throw error;
    }
  }
}
