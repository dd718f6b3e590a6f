import { hash } from 'node:crypto';
import { SwitchyardError } from '@switchyard/errors';
import type { billing } from '@switchyard/proto';
import type { CallWaiter } from '@switchyard/telemetry';
import type { Authenticator, RequestHeaders } from './authenticator.js';
import type { KeyCache } from './key-cache.js';

const KEY_FORM = /^Bearer +(\S{1,512})$/i;

/** Headers of known keys that are remembered with the hash they stand for. */
const MAX_HEADERS = 10_000;

/** Every secret has room in so much, and nobody can fill the memory with blanks before one. */
const MAX_REMEMBERED_LENGTH = 600;

/** Bearer keys, looked up by the SHA-256 of the whole secret; the hash itself is never a credential. */
export class KeyAuthenticator implements Authenticator {
  /** So that a key's next requests hash nothing. Only what was a key gets in, so nobody else can fill it. */
  private readonly hashes = new Map<string, string>();

  constructor(
    private readonly keys: KeyCache,
    /** Unix milliseconds on billing's clock. */
    private readonly nowMs: () => number,
  ) {}

  async authenticate(headers: RequestHeaders, waiter?: CallWaiter): Promise<billing.Key> {
    const header = headers['authorization'];
    const knownHash = typeof header === 'string' ? this.hashes.get(header) : undefined;
    const secretHash = knownHash ?? hash('sha256', secretOf(header), 'hex');
    const key = this.keys.peek(secretHash) ?? (await this.keys.find(secretHash, waiter));
    if (!key) throw new SwitchyardError('authentication', 'The API key is not known. Check that it was copied whole.');
    if (key.disabled) throw new SwitchyardError('authentication', 'The API key is disabled.');
    if (key.expireTimeMs !== undefined && Number(key.expireTimeMs) <= this.nowMs()) throw new SwitchyardError('authentication', 'The API key has expired.');
    if (knownHash === undefined) this.remember(header as string, secretHash);
    return key;
  }

  private remember(header: string, secretHash: string): void {
    if (header.length > MAX_REMEMBERED_LENGTH) return;
    if (this.hashes.size >= MAX_HEADERS) this.hashes.clear();
    this.hashes.set(header, secretHash);
  }
}

function secretOf(header: string | string[] | undefined): string {
  if (typeof header !== 'string' || header === '') throw new SwitchyardError('authentication', 'No API key: send "Authorization: Bearer <key>".');
  const secret = KEY_FORM.exec(header)?.[1];
  if (!secret) throw new SwitchyardError('authentication', 'The Authorization header must read "Bearer <key>".');
  return secret;
}
