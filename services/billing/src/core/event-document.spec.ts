import { describe, expect, it } from '@jest/globals';
import { storableDocument } from './event-document.js';

describe('storableDocument', () => {
  it('leaves ordinary documents as they came, byte for byte', () => {
    const json = '{"user": "Zoë 🎉", "charge":"1",  "unknown":{"x":[1,2.50]}}';
    expect(storableDocument(json)).toBe(json);
  });

  it('replaces what jsonb cannot hold, in names and values', () => {
    const json = JSON.stringify({ user: 'a\0b', metadata: { 'k\0': ['\ud800', '🎉'] } });
    expect(JSON.parse(storableDocument(json))).toEqual({ user: 'a\ufffdb', metadata: { 'k\ufffd': ['\ufffd', '🎉'] } });
  });
});
