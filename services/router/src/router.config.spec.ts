import { describe, expect, it } from '@jest/globals';
import { checkConfig } from '@switchyard/config';
import { routerConfig } from './router.config.js';

describe('the configuration of the router', () => {
  it('takes a heartbeat that no subscriber takes for death, and none that floods them', () => {
    const problems = (heartbeat: string) => checkConfig([routerConfig], { SWITCHYARD_TABLE_HEARTBEAT_MS: heartbeat });
    expect(['10ms', '500', '1s'].flatMap(problems)).toEqual([]);
    for (const heartbeat of ['0', '9ms', '1001ms', '5s']) expect(problems(heartbeat)).toMatchObject([{ message: expect.stringContaining('10ms to 1s') }]);
  });
});
