import { createServer, type Socket } from 'node:net';
import { numberToFail } from './requests.js';

/**
 * A provider at next to no cost, as a process of its own: every chat gets the same completion, or the same 64 deltas as far
 * apart as its prompt says (`pace=20`). The first attempt of a request that is marked fails. Prints the ports it listens on.
 */
const DELTAS = 64;
const PORTS = 3;
const BASE = { id: 'chatcmpl-bench', created: 1_700_000_000, model: 'writer' };
const USAGE = { prompt_tokens: 24, completion_tokens: 80, total_tokens: 104 };

const TEXT = 'The quick brown fox jumps over the lazy dog, and then does it again to be sure.'.repeat(4);
const WHOLE = whole(200, {
  ...BASE,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: TEXT }, finish_reason: 'stop' }],
  usage: USAGE,
});
const FAILURE = whole(503, { error: { message: 'The server is overloaded.', type: 'server_error', code: null } });
const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n';
const FIRST = Buffer.from(STREAM_HEAD + delta({ role: 'assistant', content: '' }) + delta({ content: ' w01' }));
const NEXT = Array.from({ length: DELTAS - 1 }, (_, index) => Buffer.from(delta({ content: ` w${String(index + 2).padStart(2, '0')}` })));
const END = Buffer.from(
  delta({}, 'stop') + event({ ...BASE, object: 'chat.completion.chunk', choices: [], usage: USAGE }) + chunk('data: [DONE]\n\n') + '0\r\n\r\n',
);
const REST = Buffer.concat([...NEXT, END]);

/** Requests whose first attempt has failed. */
const failed = new Set<string>();
const ports: number[] = [];

for (let index = 0; index < PORTS; index++) {
  const server = createServer({ noDelay: true }, serve);
  server.listen(0, '127.0.0.1', () => {
    ports.push((server.address() as { port: number }).port);
    if (ports.length === PORTS) console.log(ports.join(','));
  });
}
function serve(socket: Socket): void {
  let waiting = 0;
  let head = '';
  let body = '';
  socket.on('error', () => undefined);
  socket.on('data', (piece) => {
    const text = piece.toString('latin1');
    if (waiting > 0) {
      waiting -= text.length;
    } else {
      head += text;
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) return;
      body = head.slice(end + 4);
      waiting = Number(/content-length: *(\d+)/i.exec(head.slice(0, end))?.[1] ?? 0) - body.length;
      head = '';
    }
    // What tells how to answer is in the first piece or, where the client sends its head alone, in the second.
    if (body === '') body = text;
    if (waiting > 0) return;
    waiting = 0;
    answer(socket, body);
    body = '';
  });
}

function answer(socket: Socket, body: string): void {
  const number = numberToFail(body);
  if (number !== undefined && !failed.delete(number)) {
    failed.add(number);
    socket.write(FAILURE);
    return;
  }
  const at = body.indexOf('pace=');
  if (at === -1) socket.write(WHOLE);
  else stream(socket, Number.parseInt(body.slice(at + 5, at + 10), 10));
}

function stream(socket: Socket, paceMs: number): void {
  socket.write(FIRST);
  if (paceMs === 0) {
    setImmediate(() => socket.write(REST));
    return;
  }
  let sent = 0;
  const timer = setInterval(() => {
    if (socket.destroyed) return clearInterval(timer);
    if (sent < NEXT.length) socket.write(NEXT[sent++]!);
    if (sent < NEXT.length) return;
    clearInterval(timer);
    socket.write(END);
  }, paceMs);
}

function whole(status: number, body: object): Buffer {
  const text = JSON.stringify(body);
  const reason = status === 200 ? 'OK' : 'Service Unavailable';
  return Buffer.from(`HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

function delta(content: object, finishReason: string | null = null): string {
  return event({ ...BASE, object: 'chat.completion.chunk', choices: [{ index: 0, delta: content, finish_reason: finishReason }] });
}

function event(data: object): string {
  return chunk(`data: ${JSON.stringify(data)}\n\n`);
}

/** As a piece of a chunked body. */
function chunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
}
