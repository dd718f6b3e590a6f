import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { CrossOrigin } from './cross-origin.js';

describe('calls of pages in browsers', () => {
  /** Headers of the answer to a page of this origin. */
  function headersFor(origins: readonly string[]): Record<string, unknown> {
    const headers: Record<string, unknown> = {};
    const request = { url: '/api/v1/models', method: 'GET', headers: { origin: 'https://app.example' } } as IncomingMessage;
    new CrossOrigin(origins).answers(request, { setHeader: (name: string, value: unknown) => void (headers[name] = value) } as unknown as ServerResponse);
    return headers;
  }

  it('are allowed for every origin with *', () => expect(headersFor(['*'])['access-control-allow-origin']).toBe('*'));

  it('are allowed for none by default', () => expect(headersFor([])).toEqual({}));
});
