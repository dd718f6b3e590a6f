import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { alertRules } from '@switchyard/test-platform';
import { AlertStage } from './alerts/alert-stage.js';
import { eventsSuite } from './alerts/events.suite.js';
import { moneySuite } from './alerts/money.suite.js';
import { processesSuite } from './alerts/processes.suite.js';
import { providersSuite } from './alerts/providers.suite.js';

/** Each fault is injected into a running platform; each alert fires while it lasts, and clears after it. */
describe('each alert, under its fault', () => {
  let started: AlertStage | undefined;
  const stage = (): AlertStage => started!;
  beforeAll(async () => {
    started = await AlertStage.start();
    await started.expectPeace();
  }, 600_000);
  afterAll(() => started?.stop(), 180_000);

  for (const suite of [providersSuite, processesSuite, moneySuite, eventsSuite]) suite(stage);

  it('no alert is left out', () => {
    const all = alertRules().map(({ alert }) => alert);
    expect(all.filter((alert) => !stage().shown.has(alert))).toEqual([]);
  });
});
