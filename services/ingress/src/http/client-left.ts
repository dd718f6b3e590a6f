import { SwitchyardError } from '@switchyard/errors';
import type { FastifyReply } from 'fastify';

/** As `http-metrics` counts requests whose client left before they had a status. */
const CLIENT_CLOSED_STATUS = 499;

/** Aborts when the client leaves before it has its whole answer: nobody waits for what is still being made. */
export function clientLeft({ raw: response }: FastifyReply): AbortSignal {
  const left = new AbortController();
  const leave = (): void => {
    if (!response.writableFinished)
      left.abort(new SwitchyardError('invalid_request', 'The client left before its answer was made', { httpStatus: CLIENT_CLOSED_STATUS }));
  };
  if (response.destroyed) leave();
  else response.once('close', leave);
  return left.signal;
}
