import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { freePort } from '@switchyard/testing';

/** Answers everything alike; where it listens stays the same. */
export interface TestServer {
  readonly url: string;
  /** Breaks its connections. */
  stop(): Promise<void>;
  startAgain(): Promise<void>;
}

export async function startServer(contentType: string, answer: string): Promise<TestServer> {
  const port = await freePort();
  let server: Server | undefined;
  const startAgain = async (): Promise<void> => {
    server = createServer((request, response) => {
      request.resume().once('end', () => response.writeHead(200, { 'content-type': contentType }).end(answer));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  const stop = async (): Promise<void> => {
    const closed = new Promise((done) => server?.close(done));
    server?.closeAllConnections();
    await closed;
  };
  await startAgain();
  return { url: `http://127.0.0.1:${port}`, stop, startAgain };
}
