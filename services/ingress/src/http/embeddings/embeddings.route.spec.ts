import { describe, expect, it } from '@jest/globals';
import { DEFAULT_REQUEST_LIMITS } from '@switchyard/api';
import { embeddingsRoute } from './embeddings.route.js';

describe('POST /embeddings', () => {
  it('keeps what its caller attributes the request to', () => {
    const given = { user: 'ann', session_id: 's', metadata: { team: 'blue' }, trace: { trace_id: 't' } };
    const body = Buffer.from(JSON.stringify({ model: 'acme/embed', input: 'text', ...given }));
    expect(embeddingsRoute.read(body, {}, DEFAULT_REQUEST_LIMITS).attribution).toMatchObject({
      user: 'ann',
      sessionId: 's',
      metadata: { team: 'blue' },
      traceJson: '{"trace_id":"t"}',
    });
  });
});
