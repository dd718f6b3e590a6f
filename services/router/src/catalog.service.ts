import { parseModelName, type Clock } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';
import type { CatalogPort } from '@switchyard/proto';
import { resolveModel, type RoutingModel } from '@switchyard/routing';
import type { TablePublisher } from './table-publisher.js';

/** The catalogue as it is published. */
export class CatalogService implements CatalogPort {
  constructor(
    private readonly publisher: TablePublisher,
    private readonly clock: Clock,
  ) {}

  listModels: CatalogPort['listModels'] = () => {
    const { models, endpoints, statistics } = this.publisher.publishedTable;
    return Promise.resolve({
      models: [...models.values()].map((model) => model.record),
      endpoints: [...endpoints.values()].map((endpoint) => endpoint.record),
      statistics: [...statistics.values()],
    });
  };

  getModel: CatalogPort['getModel'] = ({ slug }) => {
    const table = this.publisher.publishedTable;
    const model = this.findModel(slug);
    const variant = parseModelName(slug).variant;
    const standard = model.endpoints.filter((endpoint) => endpoint.variant === (variant ?? ''));
    // A model may have variants only; asked for without one, it shows them.
    const endpoints = standard.length === 0 && variant === undefined ? model.endpoints : standard;
    return Promise.resolve({
      model: model.record,
      endpoints: endpoints.map((endpoint) => endpoint.record),
      statistics: endpoints.flatMap((endpoint) => table.statistics.get(endpoint.endpointId) ?? []),
    });
  };

  listProviders: CatalogPort['listProviders'] = () => Promise.resolve({ providers: [...this.publisher.publishedTable.providers.values()] });

  /** A model that ended is still shown. @throws SwitchyardError `not_found`. */
  private findModel(slug: string): RoutingModel {
    const resolution = resolveModel(this.publisher.publishedTable, slug, this.clock.nowMs());
    switch (resolution.kind) {
      case 'found':
        return resolution.target.model;
      case 'expired':
        return resolution.model;
      case 'unknown':
      case 'ambiguous':
      case 'variant_missing':
        throw new SwitchyardError('not_found', `There is no model ${slug}.`, {
          metadata: {
            suggestions: resolution.kind === 'unknown' ? resolution.suggestions : resolution.kind === 'ambiguous' ? resolution.slugs : [resolution.model.slug],
          },
        });
    }
  }
}
