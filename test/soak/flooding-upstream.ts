import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A provider that sends long streams as fast as whoever reads them allows. */
export interface FloodingUpstream {
  /** Up to and with `/v1`. */
  readonly baseUrl: string;
  /** Bytes that it handed to its sockets so far. */
  writtenBytes(): number;
  close(): Promise<void>;
}

export interface Flood {
  readonly deltas: number;
  readonly deltaBytes: number;
}

/** Every delta begins with it, and with the delta's number. */
export const DELTA_MARK = '~';

/** Answers a chat request whose prompt is `flood` with that many deltas, and any other with one word. */
export async function startFloodingUpstream(flood: Flood): Promise<FloodingUpstream> {
  let writtenBytes = 0;
  const prepared = floodEvents(flood);
  const greeting = [Buffer.from(deltaEvent('hello'))];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    void (async () => {
      const pieces: Buffer[] = [];
      for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
      const isFlood = Buffer.concat(pieces).includes('"flood"');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of isFlood ? prepared : greeting) {
        if (response.destroyed) return;
        writtenBytes += event.length;
        if (!response.write(event)) await drainedOrClosed(response);
      }
      response.end(tailEvents());
    })().catch(() => response.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    writtenBytes: () => writtenBytes,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function floodEvents({ deltas, deltaBytes }: Flood): Buffer[] {
  const filling = 'x'.repeat(deltaBytes);
  return Array.from({ length: deltas }, (_, index) => Buffer.from(deltaEvent(`${DELTA_MARK}${index} ${filling}`.slice(0, deltaBytes))));
}

function deltaEvent(content: string): string {
  return event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
}

function tailEvents(): string {
  const finish = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  const usage = event({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 100, total_tokens: 110 } });
  return `${finish}${usage}data: [DONE]\n\n`;
}

function event(fields: object): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-flood', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'torrent', ...fields })}\n\n`;
}

function drainedOrClosed(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}
