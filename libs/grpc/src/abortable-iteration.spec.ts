import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '@switchyard/testing';
import { iterateUntilAborted } from './abortable-iteration.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('iterateUntilAborted', () => {
  it('ends at once on an abort, though its source is silent, and closes the source', async () => {
    const abort = new AbortController();
    const closed = Promise.withResolvers<void>();
    const source: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => undefined),
        return: async () => {
          closed.resolve();
          return { done: true, value: undefined };
        },
      }),
    };
    const next = iterateUntilAborted(source, abort.signal).next();
    abort.abort(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
    await closed.promise;
  });

  it('keeps nothing of what a long stream has told', async () => {
    const told: WeakRef<object>[] = [];
    async function* source(): AsyncGenerator<object> {
      for (let index = 0; ; index++) {
        const message = { index };
        told.push(new WeakRef(message));
        yield message;
      }
    }
    const messages = iterateUntilAborted(source(), new AbortController().signal);
    for (let count = 0; count < 10; count++) await messages.next();
    await eventually(() => {
      collectGarbage();
      // The newest may still be in someone's hands.
      expect(told.slice(0, -2).every((message) => message.deref() === undefined)).toBe(true);
    });
    await messages.return();
  });
});
