import type { Clock, RandomSource } from '@switchyard/core';
import type { RoutingDecision } from './routing-plan.js';
import type { RoutingPolicy, RoutingRequest } from './routing-request.js';
import type { RoutingTable } from './routing-table.js';

/**
 * Chooses the endpoints that may serve a request and the order to try them. `clock` gives the accept time: prices in
 * force, deadlines and breaker states follow it.
 */
export function decide(_table: RoutingTable, _request: RoutingRequest, _policy: RoutingPolicy, _clock: Clock, _random: RandomSource): RoutingDecision {
  throw new Error('the decision engine follows in the next change');
}
