import { describe, expect, it } from '@jest/globals';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { TurnBatch } from './turn-batch.js';

describe('what one turn of the event loop brings', () => {
  it('goes on step by step together: nothing that a step resolves runs before the last step', async () => {
    const batch = new TurnBatch();
    const order: string[] = [];
    const request = async (name: string) => {
      await new Promise<void>((resolve) => batch.add(resolve));
      order.push(`${name} reads`);
      await Promise.resolve();
      order.push(`${name} sends`);
    };
    const requests = ['first', 'second'].map(request);
    expect(batch.size).toBe(2);
    await Promise.all(requests);
    expect(order).toEqual(['first reads', 'second reads', 'first sends', 'second sends']);
    expect(batch.size).toBe(0);
  });

  it('waits for no other turn, and what comes meanwhile is done in the next', async () => {
    const batch = new TurnBatch();
    const done: string[] = [];
    batch.add(() => {
      done.push('first');
      batch.add(() => done.push('second'));
    });
    await nextTurn();
    expect(done).toEqual(['first']);
    await nextTurn();
    expect(done).toEqual(['first', 'second']);
  });
});
