import { SwitchyardError } from '@switchyard/errors';

/** The last row a reader has seen: rows are ordered by accept time, then event id, both descending. */
export interface LogCursor {
  readonly acceptTimeMs: bigint;
  readonly eventId: string;
}

export function encodeCursor(cursor: LogCursor): string {
  return Buffer.from(`${cursor.acceptTimeMs}:${cursor.eventId}`).toString('base64url');
}

/** @throws SwitchyardError `invalid_request` */
export function decodeCursor(text: string): LogCursor {
  const match = /^(\d{1,16}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(Buffer.from(text, 'base64url').toString('utf8'));
  if (!match?.[1] || !match[2]) throw new SwitchyardError('invalid_request', 'cursor: not a cursor of this list', { metadata: { param: 'cursor' } });
  return { acceptTimeMs: BigInt(match[1]), eventId: match[2] };
}
