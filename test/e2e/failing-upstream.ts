import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * What to do next on the connection, in order: bytes are written as they are, and the rest waits until they left.
 * `close` ends the connection in good order, `reset` breaks it, `hold` says nothing more until the test releases it (or
 * the other side hangs up), `drip` sends one byte after the other for good.
 */
export type Step = Uint8Array | 'close' | 'reset' | 'hold' | 'drip';
export type Script = readonly Step[];

/** One request and what became of its connection. */
export class Exchange {
  /** The other side ended the connection while we had not. */
  hasHungUp = false;
  /** The script came to a `hold`. */
  isHeld = false;
  private resume: (() => void) | undefined;

  constructor(readonly path: string) {}

  /** Lets a held script go on. */
  release(): void {
    this.isHeld = false;
    this.resume?.();
    this.resume = undefined;
  }

  hold(): Promise<void> {
    this.isHeld = true;
    return new Promise((resolve) => {
      this.resume = resolve;
    });
  }

  /** The other side ended the connection. */
  hangUp(): void {
    this.hasHungUp = true;
    this.release();
  }
}

const TLS_HANDSHAKE = 0x16;
const DRIP_MS = 20;
const DRIP = Buffer.from('x');

/** A provider of which every byte, and the moment of every cut, is the test's. It plays one script per model. */
export class FailingUpstream {
  private readonly exchanges = new Map<string, Exchange[]>();
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: ReturnType<typeof createServer>,
    private readonly scripts: ReadonlyMap<string, Script>,
  ) {}

  static async start(scripts: ReadonlyMap<string, Script>): Promise<FailingUpstream> {
    const server = createServer((socket) => upstream.accept(socket));
    const upstream = new FailingUpstream(server, scripts);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return upstream;
  }

  /** Up to and with `/v1`. */
  get baseUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  /** The requests for one model, in order. */
  of(model: string): readonly Exchange[] {
    return this.exchanges.get(model) ?? [];
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const socket of this.sockets) socket.destroy();
    });
  }

  private accept(socket: Socket): void {
    this.sockets.add(socket);
    let received = Buffer.alloc(0);
    let current: Exchange | undefined;
    socket.on('data', (piece) => {
      // Someone asks for TLS: told so in HTTP, as a plain server does.
      if (piece[0] === TLS_HANDSHAKE) return void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      received = Buffer.concat([received, piece]);
      const request = requestIn(received);
      if (!request) return;
      received = received.subarray(request.lengthBytes);
      current = new Exchange(request.path);
      this.exchanges.set(request.model, [...this.of(request.model), current]);
      void this.play(socket, current, this.scripts.get(request.model) ?? []);
    });
    socket.on('error', () => undefined);
    socket.on('end', () => current?.hangUp());
    socket.on('close', () => {
      this.sockets.delete(socket);
      current?.hangUp();
    });
  }

  private async play(socket: Socket, exchange: Exchange, script: Script): Promise<void> {
    for (const step of script) {
      if (exchange.hasHungUp) return;
      if (step === 'hold') await exchange.hold();
      else if (step === 'close') socket.end();
      else if (step === 'reset') socket.resetAndDestroy();
      else if (step === 'drip') await drip(socket, exchange);
      else await new Promise<void>((resolve) => socket.write(step, () => resolve()));
    }
  }
}

function drip(socket: Socket, exchange: Exchange): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (!exchange.hasHungUp) return void socket.write(DRIP);
      clearInterval(timer);
      resolve();
    }, DRIP_MS);
  });
}

/** The first request in these bytes; undefined while it is not whole. Its model is in the body or, in Google's dialect, in the path. */
function requestIn(bytes: Buffer): { readonly model: string; readonly path: string; readonly lengthBytes: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const bodyStart = headEnd + 4;
  const lengthBytes = bodyStart + Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  if (bytes.length < lengthBytes) return undefined;
  const path = head.split(' ', 2)[1] ?? '';
  const body = JSON.parse(bytes.toString('utf8', bodyStart, lengthBytes)) as { readonly model?: string };
  return { model: body.model ?? /\/models\/([^:?]+)/.exec(path)?.[1] ?? '', path, lengthBytes };
}
