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
