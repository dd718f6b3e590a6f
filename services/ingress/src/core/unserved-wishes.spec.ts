import { describe, expect, it } from '@jest/globals';
import { unservedWishes } from './unserved-wishes.js';

describe('wishes that are not done', () => {
  it('are told one by one', () => {
    expect(unservedWishes({ preset: 'careful', plugins: [{ id: 'web' }, { id: 'file-parser', enabled: true }], transforms: ['middle-out'] })).toEqual([
      expect.stringContaining('preset: careful'),
      expect.stringContaining('plugins: web'),
      expect.stringContaining('plugins: file-parser'),
      expect.stringContaining('transforms: middle-out'),
    ]);
  });

  it('are none where nothing is asked for, or what is done', () => {
    expect(unservedWishes({ preset: null, plugins: [{ id: 'moderation', enabled: false }], transforms: [] })).toEqual([]);
    expect(unservedWishes({ usage: { include: true }, metadata: { team: 'blue' }, trace: { trace_id: 't' }, session_id: 's', route: 'fallback' })).toEqual([]);
  });
});
