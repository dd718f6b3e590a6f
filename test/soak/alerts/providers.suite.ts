import { describe, it } from '@jest/globals';
import type { Fault } from '@switchyard/simulator';
import { TEST_TIMEOUT_MS, type FaultSuite } from './alert-stage.js';

const ALWAYS = { share: 1, seed: 1, delayMs: 0, afterWords: 0 };

export const providersSuite: FaultSuite = (stage) => {
  describe('providers', () => {
    async function expectUnderFaultOf(slugs: readonly string[], fault: Fault, alerts: readonly string[]): Promise<void> {
      const faults = slugs.map((slug) => stage().upstreams[slug]!.faults);
      await stage().expectUnder(
        alerts,
        () => faults.forEach((each) => each.add(fault)),
        () => faults.forEach((each) => each.clear()),
      );
    }

    it(
      'one that fails where there is no other',
      () =>
        expectUnderFaultOf(['alpha'], { ...ALWAYS, kind: 'server_error' }, [
          'SwitchyardProviderFails',
          'SwitchyardBreakersOpen',
          'SwitchyardAvailabilityBurnsFast',
          'SwitchyardAvailabilityBurnsSlowly',
        ]),
      TEST_TIMEOUT_MS,
    );

    it(
      'those whose answers begin late',
      () =>
        expectUnderFaultOf(['alpha', 'beta', 'anthropic-sim'], { ...ALWAYS, kind: 'delay', delayMs: 3_500 }, [
          'SwitchyardFirstTokenBurnsFast',
          'SwitchyardFirstTokenBurnsSlowly',
        ]),
      TEST_TIMEOUT_MS,
    );
  });
};
