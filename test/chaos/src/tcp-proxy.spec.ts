import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@switchyard/testing';
import { TcpProxy } from './tcp-proxy.js';

/** A client of the proxy: what it got, and how its connection ended. */
interface Client {
  readonly socket: Socket;
  text(): string;
  end(): string | undefined;
}

let servers: Server[];
let clients: Socket[];
let heard: string;
let proxy: TcpProxy;

beforeEach(async () => {
  servers = [];
  clients = [];
  heard = '';
  proxy = await TcpProxy.listen([await echo('a')]);
});
afterEach(async () => {
  for (const client of clients) client.destroy();
  await proxy.close();
  for (const server of servers) server.close();
});

/** A server that answers each piece with its name and the piece. */
async function echo(name: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString();
      socket.write(`${name}:${bytes.toString()};`);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function client(): Client {
  const socket = connect({ host: '127.0.0.1', port: proxy.port });
  clients.push(socket);
  let text = '';
  let end: string | undefined;
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => (end = error.code));
  socket.once('close', () => (end ??= 'closed'));
  return { socket, text: () => text, end: () => end };
}

const untilText = (from: Client, text: string) => eventually(() => expect(from.text()).toBe(text));

describe('the proxy between two services', () => {
  it('carries bytes both ways, and the end of a connection', async () => {
    const one = client();
    one.socket.write('hello');
    await untilText(one, 'a:hello;');
    one.socket.end();
    await eventually(() => expect(one.end()).toBe('closed'));
    await eventually(() => expect(proxy.connectionCount).toBe(0));
  });

  it('takes servers in turn, and passes over one that is not there', async () => {
    await proxy.close();
    const gone = await echo('gone');
    const last = servers.pop()!;
    await new Promise((done) => last.close(done));
    proxy = await TcpProxy.listen([await echo('b'), gone, await echo('c')]);
    const names: string[] = [];
    for (let index = 0; index < 3; index++) {
      const one = client();
      one.socket.write('x');
      await eventually(() => expect(one.text()).not.toBe(''));
      names.push(one.text());
    }
    expect(names).toEqual(['b:x;', 'c:x;', 'c:x;']);
  });

  it('cuts: open connections and new ones are reset, until it is healed', async () => {
    const open = client();
    open.socket.write('x');
    await untilText(open, 'a:x;');
    proxy.harm({ kind: 'cut' });
    await eventually(() => expect(open.end()).toBe('ECONNRESET'));
    const refused = client();
    await eventually(() => expect(refused.end()).toBe('ECONNRESET'));
    proxy.heal();
    const next = client();
    next.socket.write('y');
    await untilText(next, 'a:y;');
  });

  it('delays: every byte comes late, in order', async () => {
    proxy.harm({ kind: 'delay', delayMs: 80 });
    const startMs = performance.now();
    const one = client();
    one.socket.write('first ');
    await eventually(() => expect(heard).toBe('first '));
    one.socket.write('second');
    await untilText(one, 'a:first ;a:second;');
    expect(performance.now() - startMs).toBeGreaterThan(155);
  });

  it('is a black hole: nothing passes, not even an end, and all of it arrives afterwards', async () => {
    const one = client();
    one.socket.write('1');
    await untilText(one, 'a:1;');
    proxy.harm({ kind: 'black_hole' });
    const late = client();
    await new Promise<void>((resolve) => late.socket.write('3', () => resolve()));
    await new Promise<void>((resolve) => one.socket.end('2', () => resolve()));
    expect([heard, one.text(), late.text(), one.end(), late.end()]).toEqual(['1', 'a:1;', '', undefined, undefined]);
    proxy.heal();
    await untilText(one, 'a:1;a:2;');
    await untilText(late, 'a:3;');
    await eventually(() => expect(one.end()).toBe('closed'));
  });

  it('is half open: the server hears, its answers are lost, and so are those connections', async () => {
    const one = client();
    const idle = client();
    idle.socket.write('0');
    await untilText(idle, 'a:0;');
    proxy.harm({ kind: 'half_open' });
    one.socket.write('1');
    await eventually(() => expect(heard).toBe('01'));
    expect(one.text()).toBe('');
    proxy.heal();
    await eventually(() => expect(one.end()).toBe('ECONNRESET'));
    idle.socket.write('2');
    await untilText(idle, 'a:0;a:2;');
  });

  it('passes on that a server died', async () => {
    await proxy.close();
    const accepted: Socket[] = [];
    const server = createServer((socket) => accepted.push(socket));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    proxy = await TcpProxy.listen([(server.address() as AddressInfo).port]);
    const one = client();
    one.socket.write('x');
    await eventually(() => expect(accepted).toHaveLength(1));
    accepted[0]!.resetAndDestroy();
    await eventually(() => expect(one.end()).toBe('ECONNRESET'));
  });
});
