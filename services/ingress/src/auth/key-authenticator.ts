import { hash } from 'node:crypto';
import type { Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { AuthenticatedKey, Authenticator, RequestHeaders } from './authenticator.js';
import type { KeyCache } from './key-cache.js';

const KEY_FORM = /^Bearer +(\S{1,512})$/i;

/** Bearer keys, looked up by the SHA-256 of the whole secret; the hash itself is never a credential. */
export class KeyAuthenticator implements Authenticator {
  constructor(
    private readonly keys: KeyCache,
    private readonly clock: Clock,
  ) {}

  async authenticate(headers: RequestHeaders): Promise<AuthenticatedKey> {
    const secret = secretOf(headers);
    const secretHash = hash('sha256', secret, 'hex');
    const key = this.keys.peek(secretHash) ?? (await this.keys.find(secretHash));
    if (!key) throw new SwitchyardError('authentication', 'The API key is not known. Check that it was copied whole.');
    if (key.disabled) throw new SwitchyardError('authentication', 'The API key is disabled.');
    if (key.expireTimeMs !== undefined && Number(key.expireTimeMs) <= this.clock.nowMs())
      throw new SwitchyardError('authentication', 'The API key has expired.');
    return { key, isStale: !this.keys.isLive };
  }
}

function secretOf(headers: RequestHeaders): string {
  const header = headers['authorization'];
  if (typeof header !== 'string' || header === '') throw new SwitchyardError('authentication', 'No API key: send "Authorization: Bearer <key>".');
  const secret = KEY_FORM.exec(header)?.[1];
  if (!secret) throw new SwitchyardError('authentication', 'The Authorization header must read "Bearer <key>".');
  return secret;
}
