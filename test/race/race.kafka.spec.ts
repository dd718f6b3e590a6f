import { afterAll, beforeAll, describe } from '@jest/globals';
import { Books } from './books.js';
import { startRacePlatform, type RacePlatform } from './race-platform.js';
import { spendingSuite } from './spending.suite.js';

/** `SWITCHYARD_RACE_TIMES=20`: the whole race so many times, each over a new platform. */
const TIMES = Number(process.env['SWITCHYARD_RACE_TIMES'] ?? 1);

describe.each(Array.from({ length: TIMES }, (_, index) => index + 1))('three ingresses and two billing instances that race (%d)', () => {
  let platform: RacePlatform | undefined;
  let books: Books | undefined;
  beforeAll(async () => {
    platform = await startRacePlatform(60_000);
    books = new Books(platform.platform.eventLog!.databaseUrl!);
  }, 600_000);
  afterAll(async () => {
    await books?.close();
    await platform?.stop();
  }, 120_000);

  spendingSuite(
    () => platform!,
    () => books!,
  );
});
