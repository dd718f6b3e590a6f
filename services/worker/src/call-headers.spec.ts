import { describe, expect, it } from '@jest/globals';
import { CallHeaders } from './call-headers.js';

describe('the headers of a call', () => {
  const headers = new CallHeaders('switchyard');
  const request = { 'content-type': 'application/json', 'x-of-request': '1' };
  const access = { authorization: 'Bearer sk-1', 'x-of-request': '2' };

  const asObject = (list: readonly string[]) => Object.fromEntries(list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1]]] : [])));

  it('are what every call has, what the request asks for, and above all what the access demands', () => {
    expect(asObject(headers.of(false, request, access))).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'switchyard',
      'x-of-request': '2',
      authorization: 'Bearer sk-1',
    });
  });

  it('are the same list again for the same, and others for a stream, another request or another credential', () => {
    const list = headers.of(false, request, access);
    expect(headers.of(false, request, access)).toBe(list);
    expect(asObject(headers.of(true, request, access))['accept']).toBe('text/event-stream');
    expect(asObject(headers.of(false, { 'x-of-request': '3' }, {}))['x-of-request']).toBe('3');
    expect(asObject(headers.of(false, { accept: '*/*' }, access))['accept']).toBe('*/*');
    expect(asObject(headers.of(false, request, { authorization: 'Bearer sk-2' }))['authorization']).toBe('Bearer sk-2');
    expect(asObject(headers.of(false, request, access))).toEqual(asObject(list));
  });
});
