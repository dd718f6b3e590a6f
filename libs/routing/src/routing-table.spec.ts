import { describe, expect, it } from '@jest/globals';
import { applyTableUpdate, EMPTY_ROUTING_TABLE, priceInForce } from './routing-table.js';
import { endpointRecord, modelRecord, priceRecord, START_MS, statisticsRecord, tableUpdate } from './testing/table-fixtures.js';

const snapshot = tableUpdate(
  [modelRecord('acme/writer', { aliases: ['acme/w'] }), modelRecord('acme/poet')],
  [endpointRecord('acme/writer', 'a'), endpointRecord('acme/writer', 'b'), endpointRecord('acme/poet', 'a')],
);
const NOTHING = { models: [], endpoints: [], providers: [], isSnapshot: false };

describe('applyTableUpdate', () => {
  it('indexes a snapshot', () => {
    const table = applyTableUpdate(EMPTY_ROUTING_TABLE, snapshot);
    expect(table.models.get('acme/writer')!.endpoints.map((endpoint) => endpoint.tag)).toEqual(['a', 'b']);
    expect(table.names.get('acme/w')).toEqual(['acme/writer']);
    expect(table.version).toBe(1n);
  });

  it('takes a delta without touching the former table, sharing what did not change', () => {
    const before = applyTableUpdate(EMPTY_ROUTING_TABLE, snapshot);
    const after = applyTableUpdate(
      before,
      tableUpdate([], [endpointRecord('acme/writer', 'c')], {
        ...NOTHING,
        endpoints: [endpointRecord('acme/writer', 'c')],
        version: 2n,
        removedEndpointIds: ['acme/writer@a'],
      }),
    );
    expect(after.models.get('acme/writer')!.endpoints.map((endpoint) => endpoint.tag)).toEqual(['b', 'c']);
    expect(before.models.get('acme/writer')!.endpoints.map((endpoint) => endpoint.tag)).toEqual(['a', 'b']);
    expect(after.models.get('acme/poet')).toBe(before.models.get('acme/poet'));
    expect(after.endpoints.has('acme/writer@a')).toBe(false);
  });

  it('moves an endpoint to another model', () => {
    const before = applyTableUpdate(EMPTY_ROUTING_TABLE, snapshot);
    const moved = { ...endpointRecord('acme/writer', 'a'), modelSlug: 'acme/poet' };
    const after = applyTableUpdate(before, tableUpdate([], [], { ...NOTHING, endpoints: [moved], version: 2n }));
    expect(after.models.get('acme/writer')!.endpoints.map((endpoint) => endpoint.tag)).toEqual(['b']);
    expect(after.models.get('acme/poet')!.endpoints).toHaveLength(2);
  });

  it('forgets a removed model and its names', () => {
    const after = applyTableUpdate(
      applyTableUpdate(EMPTY_ROUTING_TABLE, snapshot),
      tableUpdate([], [], { ...NOTHING, removedModelSlugs: ['acme/writer'], removedEndpointIds: ['acme/writer@a', 'acme/writer@b'] }),
    );
    expect([...after.models.keys()]).toEqual(['acme/poet']);
    expect(after.names.has('acme/w')).toBe(false);
  });

  it('merges statistics alone without indexing anything again', () => {
    const before = applyTableUpdate(EMPTY_ROUTING_TABLE, snapshot);
    const after = applyTableUpdate(before, tableUpdate([], [], { ...NOTHING, statistics: [statisticsRecord('acme/writer@a')], version: 2n }));
    expect(after.models).toBe(before.models);
    expect(after.statistics.get('acme/writer@a')).toBeDefined();
    expect([before.statisticsTimeMs, after.statisticsTimeMs]).toEqual([0, START_MS]);
  });

  it('drops what an earlier table knew when a snapshot comes', () => {
    const before = applyTableUpdate(EMPTY_ROUTING_TABLE, snapshot);
    const after = applyTableUpdate(before, tableUpdate([modelRecord('acme/new')], []));
    expect([...after.models.keys()]).toEqual(['acme/new']);
    expect(after.endpoints.size).toBe(0);
  });

  it('lets a name given on purpose win over a provider id that merely occurs', () => {
    const table = applyTableUpdate(
      EMPTY_ROUTING_TABLE,
      tableUpdate([modelRecord('acme/writer', { aliases: ['w-1'] }), modelRecord('acme/poet')], [endpointRecord('acme/poet', 'a', { providerModelId: 'w-1' })]),
    );
    expect(table.names.get('w-1')).toEqual(['acme/writer']);
  });

  it('knows an alias without its author where nothing else has that name', () => {
    const models = [modelRecord('acme/writer', { aliases: ['acme/w-1', 'acme/poet', '~acme/writer-latest'] }), modelRecord('other/poet')];
    const { names } = applyTableUpdate(EMPTY_ROUTING_TABLE, tableUpdate(models, []));
    expect([names.get('w-1'), names.get('poet'), names.get('writer-latest')]).toEqual([['acme/writer'], ['other/poet'], undefined]);
  });
});

describe('priceInForce', () => {
  it('is the latest that has begun', () => {
    const table = applyTableUpdate(
      EMPTY_ROUTING_TABLE,
      tableUpdate(
        [modelRecord('acme/writer')],
        [
          endpointRecord('acme/writer', 'a', {
            chargeSchedules: [
              { startTimeMs: 10n, schedule: priceRecord(1) },
              { startTimeMs: 20n, schedule: priceRecord(2) },
            ],
          }),
        ],
      ),
    );
    const schedules = table.endpoints.get('acme/writer@a')!.chargeSchedules;
    expect([9, 10, 19, 20, 1_000].map((timeMs) => priceInForce(schedules, timeMs)?.schedule.revision)).toEqual([undefined, 'r-1-1', 'r-1-1', 'r-2-2', 'r-2-2']);
  });
});
