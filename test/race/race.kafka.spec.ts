import { afterAll, beforeAll, describe } from '@jest/globals';
import { Books } from './books.js';
import { RACE_TIMES, startRacePlatform, type RacePlatform } from './race-platform.js';
import { spendingSuite } from './spending.suite.js';
import { limitsSuite, midnightSuite } from './limits.suite.js';
import { outageSuite } from './outage.suite.js';
import { pricesSuite } from './prices.suite.js';

describe.each(Array.from({ length: RACE_TIMES }, (_, index) => index + 1))('three ingresses and two billing instances that race (%d)', () => {
  let platform: RacePlatform | undefined;
  let books: Books | undefined;
  beforeAll(async () => {
    platform = await startRacePlatform(45_000);
    books = new Books(platform.platform.eventLog!.databaseUrl!);
  }, 600_000);
  afterAll(async () => {
    await books?.close();
    await platform?.stop();
  }, 120_000);

  for (const suite of [midnightSuite, spendingSuite, limitsSuite, pricesSuite, outageSuite]) {
    suite(
      () => platform!,
      () => books!,
    );
  }
});
