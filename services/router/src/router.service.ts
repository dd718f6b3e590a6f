import type { Clock, RandomSource } from '@switchyard/core';
import type { RouterPort } from '@switchyard/proto';
import { decide, explainDecision } from '@switchyard/routing';
import { readRoutingRequest } from './routing-request.schema.js';
import type { TablePublisher } from './table-publisher.js';

/** The table for those who decide themselves, and decisions for those who only ask. */
export class RouterService implements RouterPort {
  constructor(
    private readonly publisher: TablePublisher,
    private readonly clock: Clock,
    private readonly random: RandomSource,
  ) {}

  watchRoutingTable: RouterPort['watchRoutingTable'] = (_request, options) => this.publisher.watch(options?.signal);

  decide: RouterPort['decide'] = ({ requestJson, acceptTimeMs }) => {
    const { request, policy } = readRoutingRequest(requestJson);
    const nowMs = acceptTimeMs > 0n ? Number(acceptTimeMs) : this.clock.nowMs();
    const table = this.publisher.publishedTable;
    const decision = decide(table, request, policy, { nowMs: () => nowMs, monotonicMs: () => this.clock.monotonicMs() }, this.random);
    const explanation = explainDecision(decision, { promptTokensEstimate: request.promptTokensEstimate, acceptTimeMs: nowMs });
    return Promise.resolve({ planJson: JSON.stringify(explanation), tableVersion: table.version });
  };
}
