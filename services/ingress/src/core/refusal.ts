import { SwitchyardError } from '@switchyard/errors';
import type { RoutingRefusal } from '@switchyard/routing';

/** The client's error for a request that no endpoint may serve: `error.availability` tells why. */
export function refusalError(refusal: RoutingRefusal): SwitchyardError {
  return new SwitchyardError(refusal.errorType, refusal.message, {
    httpStatus: refusal.httpStatus,
    metadata: { availability: refusal.availability },
  });
}
