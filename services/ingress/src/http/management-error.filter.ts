import { Catch, HttpException, Inject, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { isMasked, OPERATIONS, renderError } from '@switchyard/api';
import { SwitchyardError, type ErrorType } from '@switchyard/errors';
import type { FastifyReply } from 'fastify';
import { headerText } from '../core/attribution.js';
import { pathOf, type HttpRequest } from './http-request.js';
import { MANAGEMENT_CONTEXT, type ManagementContext } from './management-context.js';

/** Every failure of a management route leaves in the one error envelope, also those of the framework itself. */
@Catch()
export class ManagementErrorFilter implements ExceptionFilter {
  constructor(@Inject(MANAGEMENT_CONTEXT) private readonly context: ManagementContext) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<HttpRequest>();
    const reply = http.getResponse<FastifyReply>();
    const error = toKnownError(exception, request);
    if (isMasked(error)) {
      const requestId = headerText(request.headers, 'x-request-id') || undefined;
      this.context.logger.error('A management request failed for a reason of our own.', { error: exception, path: pathOf(request), requestId });
    }
    const { status, headers, body } = renderError(error);
    const allow = status === 405 ? { allow: allowedMethods(pathOf(request)).join(', ') } : {};
    void reply
      .status(status)
      .headers({ ...headers, ...allow, 'content-type': 'application/json; charset=utf-8' })
      .send(JSON.stringify(body));
  }
}

function toKnownError(exception: unknown, request: HttpRequest): unknown {
  if (exception instanceof SwitchyardError) return exception;
  const status = exception instanceof HttpException ? exception.getStatus() : statusOf(exception);
  if (status === 404) return noSuchRoute(request);
  const type = status === undefined ? undefined : FRAMEWORK_ERRORS.get(status);
  if (type) return new SwitchyardError(type, exception instanceof Error ? exception.message : 'Bad request', { cause: exception });
  return exception;
}

/** Statuses that Fastify gives requests it cannot read. */
const FRAMEWORK_ERRORS: ReadonlyMap<number, ErrorType> = new Map([
  [400, 'invalid_request'],
  [413, 'payload_too_large'],
  [414, 'invalid_request'],
  [415, 'invalid_request'],
]);

function statusOf(exception: unknown): number | undefined {
  const status = typeof exception === 'object' && exception !== null && 'statusCode' in exception ? exception.statusCode : undefined;
  return typeof status === 'number' ? status : undefined;
}

function noSuchRoute(request: HttpRequest): SwitchyardError {
  const path = pathOf(request);
  const methods = allowedMethods(path);
  if (methods.length > 0 && !methods.includes(request.method)) {
    return new SwitchyardError('invalid_request', `${request.method} is not allowed for ${path}; it takes ${methods.join(', ')}`, { httpStatus: 405 });
  }
  // The first mistake that a base URL invites.
  const lacksPrefix = allowedMethods(`/api/v1${path}`).length > 0;
  return new SwitchyardError(
    'not_found',
    `No such route: ${request.method} ${path}${lacksPrefix ? `; the API is below /api/v1, which the base URL lacks` : ''}`,
  );
}

const ROUTES = OPERATIONS.map((operation) => ({
  method: operation.method.toUpperCase(),
  pattern: new RegExp(`^(/api)?/v1${operation.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}/?$`),
}));

function allowedMethods(path: string): string[] {
  return [...new Set(ROUTES.filter((route) => route.pattern.test(path)).map((route) => route.method))];
}
