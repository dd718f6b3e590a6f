import { describe, expect, it } from '@jest/globals';
import { readAttribution } from './attribution.js';

describe('readAttribution', () => {
  const sessionIdOf = (header: string, sessionId?: string) => readAttribution({ sessionId }, { 'x-session-id': header }).sessionId;

  it("takes the header's session id as long as the body's may be, and refuses a longer one", () => {
    expect(sessionIdOf('x'.repeat(256))).toHaveLength(256);
    expect(() => sessionIdOf('x'.repeat(257))).toThrow(expect.objectContaining({ type: 'invalid_request', metadata: { param: 'x-session-id' } }));
  });

  it('does not look at the header where the body names a session', () => expect(sessionIdOf('x'.repeat(257), 'mine')).toBe('mine'));
});
