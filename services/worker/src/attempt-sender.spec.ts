import { describe, expect, it } from '@jest/globals';
import { worker } from '@switchyard/proto';
import { manualClock } from '@switchyard/testing';
import { AttemptNotes } from './attempt-notes.js';
import { AttemptSender } from './attempt-sender.js';
import { CollectingListener, streamStep } from './runner-harness.fake.js';

function senderOf(roomBytes: number) {
  const listener = new CollectingListener();
  const notes = new AttemptNotes(worker.StartFrame.create({ apiType: 'chat' }), manualClock());
  return { listener, notes, sender: new AttemptSender(listener, notes, undefined, roomBytes) };
}

/** What has become of a promise by the time that everything which can go on has. */
async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  let state: 'pending' | 'resolved' | 'rejected' = 'pending';
  promise.then(
    () => (state = 'resolved'),
    () => (state = 'rejected'),
  );
  await new Promise(setImmediate);
  return state;
}

describe('the window of an attempt', () => {
  it('may be overdrawn by one frame, and then waits until the client granted more than that', async () => {
    const { sender } = senderOf(10);
    sender.sendPiece(Buffer.alloc(25), true, '');
    expect([sender.hasRoom, sender.bytesLeft]).toEqual([false, -15]);
    const room = sender.room();
    sender.grant(15);
    expect(await stateOf(room)).toBe('pending');
    expect(sender.isPaused).toBe(true);
    sender.grant(1);
    expect(await stateOf(room)).toBe('resolved');
    expect([sender.hasRoom, sender.isPaused]).toEqual([true, false]);
  });

  it('lets nobody wait once the attempt is aborted, and knows whom it waited for', async () => {
    const { sender } = senderOf(0);
    const waiting = sender.room();
    sender.abort(new Error('first'));
    sender.abort(new Error('second'));
    sender.grant(100);
    await expect(waiting).rejects.toThrow('first');
    await expect(sender.room()).rejects.toThrow('first');
    expect(sender.isPaused).toBe(true);
  });

  it('is not used up by what the client asked to see beside the answer', () => {
    const { listener, sender } = senderOf(10);
    sender.sendDebugChunk('data: {}\n\n');
    expect([sender.bytesLeft, listener.data.length]).toEqual([10, 1]);
  });
});

describe('the frames of an attempt', () => {
  it('come only for a step that shows something or names a new finish', () => {
    const { listener, notes, sender } = senderOf(1_000);
    sender.sendEvents(streamStep({}), false);
    expect(listener.data).toEqual([]);
    const finish = streamStep({ finishReason: 'stop', nativeFinishReason: 'end_turn', outputBytes: 5 });
    sender.sendEvents(finish, notes.noteProgress(finish));
    expect(listener.data).toMatchObject([{ finishReason: 'stop', nativeFinishReason: 'end_turn', outputBytes: 5n }]);
  });

  it('carry a provider’s word for its finish, and no text that it was sent', () => {
    const { listener, sender } = senderOf(1_000);
    for (const native of ['MAX_TOKENS', 'what the client wrote', 'x'.repeat(1_000_000)]) sender.sendPiece(Buffer.alloc(1), true, native);
    expect(listener.data.map(({ nativeFinishReason }) => nativeFinishReason)).toEqual(['MAX_TOKENS', '', '']);
  });

  it('carry usage without zeros, also when nothing was counted', () => {
    const { listener, notes, sender } = senderOf(1_000);
    sender.sendUsage(false);
    notes.noteUsage(streamStep({ meters: { input_uncached: 3, output_text: 0 } }));
    sender.sendUsage(true);
    expect(listener.usages.map(({ usage, isFinal }) => [usage?.meters, isFinal])).toEqual([
      [{}, false],
      [{ input_uncached: 3 }, true],
    ]);
  });
});
