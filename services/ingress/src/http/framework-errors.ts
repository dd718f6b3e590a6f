import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { renderError } from '@switchyard/api';
import { SwitchyardError } from '@switchyard/errors';
import type { FastifyReply } from 'fastify';

/** Model ids are path parameters; Fastify's own bound is 100 characters. */
export const MAX_PATH_PARAMETER_LENGTH = 512;

/** What Fastify refuses before any route is found (a malformed URL, a parameter that is too long), in the error envelope. */
export function sendFrameworkError(error: Error & { statusCode?: number }, _request: unknown, reply: FastifyReply): void {
  const refusal = new SwitchyardError('invalid_request', 'The URL could not be read', { httpStatus: error.statusCode ?? 400, cause: error });
  const { status, body } = renderError(refusal);
  void reply.status(status).header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(body));
}

/**
 * What Node cannot take as a request, in the error envelope; the connection closes. Nothing is said where an answer has begun, whose
 * bytes it would be among.
 */
export function sendClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  const { _httpMessage: answer } = socket as Socket & { readonly _httpMessage?: ServerResponse | null };
  if (socket.writable && !answer?.headersSent) {
    const { status, body } = renderError(refusalOf(error));
    const text = JSON.stringify(body);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(text)}`,
      'Connection: close',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${text}`);
  }
  socket.destroy(error);
}

function refusalOf(error: NodeJS.ErrnoException): SwitchyardError {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return new SwitchyardError('invalid_request', "The request's headers are too large.", { httpStatus: 431, cause: error });
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new SwitchyardError('payload_too_large', "The request's chunk extensions are too large.", { cause: error });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new SwitchyardError('invalid_request', 'The request took too long to arrive.', { httpStatus: 408, cause: error });
    default:
      return new SwitchyardError('invalid_request', 'The request could not be read as HTTP.', { cause: error });
  }
}
