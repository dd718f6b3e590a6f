import type { IncomingMessage } from 'node:http';
import { SwitchyardError } from '@switchyard/errors';

const EMPTY = Buffer.alloc(0);

/**
 * The whole body of a request, bounded.
 * @throws SwitchyardError `payload_too_large`; `invalid_request` when the client left before it was read.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // A client may leave while its key is looked up: nothing would ever come of this request.
    if (request.destroyed) return reject(clientLeft());
    const pieces: Buffer[] = [];
    let length = 0;
    let isRead = false;
    request.on('data', (piece: Buffer) => {
      length += piece.byteLength;
      if (length <= maxBytes) return void pieces.push(piece);
      // What is still coming is read and dropped, so that the client can read the answer.
      pieces.length = 0;
      request.removeAllListeners('data');
      request.resume();
      reject(new SwitchyardError('payload_too_large', `The request body is larger than ${maxBytes} bytes.`, { metadata: { max_bytes: maxBytes } }));
    });
    request.once('end', () => {
      isRead = true;
      resolve(pieces.length === 1 ? pieces[0]! : pieces.length === 0 ? EMPTY : Buffer.concat(pieces, length));
    });
    request.once('error', (error) => reject(new SwitchyardError('invalid_request', 'The request body could not be read.', { cause: error })));
    // Every request closes; an error that nobody waits for would still cost its stack trace.
    request.once('close', () => {
      if (!isRead) reject(clientLeft());
    });
  });
}

function clientLeft(): SwitchyardError {
  return new SwitchyardError('invalid_request', 'The connection closed before the request body was complete.');
}
