import { createHash } from 'node:crypto';
import { base62, type RandomSource } from '@switchyard/core';

const PREFIX = 'sk-sy-v1-';
/** 43 base62 characters carry 256 random bits. */
const RANDOM_CHARACTERS = 43;

export interface ApiKeySecret {
  /** Shown once, never stored. */
  readonly secret: string;
  /** Lower-case hex SHA-256 of the whole secret: its public identity. */
  readonly hash: string;
  readonly label: string;
}

export function newApiKeySecret(random: RandomSource): ApiKeySecret {
  const secret = `${PREFIX}${base62(random, RANDOM_CHARACTERS)}`;
  return { secret, hash: createHash('sha256').update(secret).digest('hex'), label: `${PREFIX}...${secret.slice(-4)}` };
}

export function isKeyHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
