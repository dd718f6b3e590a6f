import { Agent, get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { HttpServer } from './http-server.js';
import type { InferenceServer } from './inference-server.js';

class NoManagement {}

describe('the public HTTP server', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let server: HttpServer;
  let port: number;
  const isHeld = Promise.withResolvers<void>();
  let finish: () => void = () => undefined;
  let drain: AbortController;

  beforeEach(async () => {
    drain = new AbortController();
    const inference: Pick<InferenceServer, 'handle'> = {
      handle: (request, response) => {
        finish = () => response.end('answered');
        if (request.url === '/held') isHeld.resolve();
        else finish();
        return true;
      },
    };
    const limits = { maxHeaderBytes: 16_384, requestTimeoutMs: 10_000, drainSignal: drain.signal };
    server = new HttpServer(inference as InferenceServer, { module: NoManagement }, () => undefined, { host: '127.0.0.1', port: 0, ...limits });
    await server.start();
    port = server.port;
  });
  afterEach(async () => {
    agent.destroy();
    await server.close();
  });

  async function answerOf(path: string): Promise<{ headers: IncomingMessage['headers']; text: string }> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => get({ host: '127.0.0.1', port, path, agent }, resolve).on('error', reject));
    return { headers: response.headers, text: await text(response) };
  }

  it('goes on serving while load balancers learn that it drains, and sends their open connections away with each answer', async () => {
    expect((await answerOf('/first')).headers.connection).toBe('keep-alive');
    drain.abort();
    expect(await answerOf('/second')).toMatchObject({ headers: { connection: 'close' }, text: 'answered' });
    expect(await answerOf('/third')).toMatchObject({ headers: { connection: 'close' }, text: 'answered' });
  });

  it('finishes what is under way when it stops, and closes a busy connection with its next answer', async () => {
    expect((await answerOf('/first')).headers.connection).toBe('keep-alive');
    const held = answerOf('/held');
    await isHeld.promise;
    server.stopAccepting();
    finish();
    expect((await held).text).toBe('answered');
    expect((await answerOf('/next')).headers.connection).toBe('close');
    await expect(answerOf('/last')).rejects.toThrow(/ECONNREFUSED/);
  });
});
