import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * What is wrong with a link. `cut`: connections are reset, new ones too. `delay`: every byte comes late. `black_hole`: nothing passes, in either direction,
 * ends and resets included; what was sent arrives when the link is well again. `half_open`: what goes to the server passes, its answers are lost, and the
 * connections with them once the link is well again.
 */
export type LinkFault =
  { readonly kind: 'cut' } | { readonly kind: 'delay'; readonly delayMs: number } | { readonly kind: 'black_hole' } | { readonly kind: 'half_open' };

type Direction = 'to_server' | 'to_client';

const MAX_HELD_BYTES = 4 * 1024 * 1024;
const HOST = '127.0.0.1';

/** Carries TCP connections to one of several ports of this machine, in turn, as a load balancer would, and harms them when it is told to. */
export class TcpProxy {
  private readonly connections = new Set<Connection>();
  private fault: LinkFault | undefined;
  private nextTarget = 0;

  private constructor(
    private readonly server: Server,
    private readonly targetPorts: readonly number[],
  ) {
    server.on('connection', (client: Socket) => this.accept(client));
  }

  static async listen(targetPorts: readonly number[], port = 0): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, HOST, resolve));
    return new TcpProxy(server, targetPorts);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get address(): string {
    return `${HOST}:${this.port}`;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Until `heal`, or another fault. */
  harm(fault: LinkFault): void {
    this.fault = fault;
    if (fault.kind === 'cut') for (const connection of this.connections) connection.reset();
  }

  heal(): void {
    const wasHalfOpen = this.fault?.kind === 'half_open';
    this.fault = undefined;
    for (const connection of this.connections) {
      if (wasHalfOpen && connection.hasLostBytes) connection.reset();
      else connection.flush();
    }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of this.connections) connection.reset();
    await closed;
  }

  private accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.fault?.kind === 'cut') return void client.resetAndDestroy();
    const first = this.nextTarget++;
    const ports = this.targetPorts.map((_, offset) => this.targetPorts[(first + offset) % this.targetPorts.length]!);
    const connection = new Connection(client, () => this.fault);
    this.connections.add(connection);
    connection.onClosed = () => this.connections.delete(connection);
    connection.open(ports);
  }
}

/** One connection: the client's half and the server's half. */
class Connection {
  onClosed: () => void = () => undefined;
  private server: Socket | undefined;
  private lanes: Lane[] = [];

  constructor(
    private readonly client: Socket,
    private readonly fault: () => LinkFault | undefined,
  ) {
    client.pause();
  }

  get hasLostBytes(): boolean {
    return this.lanes.some((lane) => lane.isHolding);
  }

  /** Tries the ports in order until one takes the connection. */
  open([port, ...others]: readonly number[]): void {
    if (port === undefined || this.client.destroyed) return this.reset();
    const server = connect({ host: HOST, port, allowHalfOpen: true, noDelay: true });
    const refused = (): void => this.open(others);
    server.once('error', refused);
    server.once('connect', () => {
      server.removeListener('error', refused);
      server.on('error', () => undefined);
      this.join(server);
    });
  }

  reset(): void {
    this.client.resetAndDestroy();
    this.server?.resetAndDestroy();
    this.onClosed();
  }

  flush(): void {
    for (const lane of this.lanes) lane.flush();
  }

  private join(server: Socket): void {
    this.server = server;
    if (this.client.destroyed) return this.reset();
    this.lanes = [new Lane(this.client, server, 'to_server', this.fault), new Lane(server, this.client, 'to_client', this.fault)];
    for (const lane of this.lanes) lane.onBroken = () => this.reset();
    let openCount = 2;
    for (const socket of [this.client, server]) socket.once('close', () => (--openCount === 0 ? this.onClosed() : undefined));
  }
}

type Parcel = { readonly bytes: Buffer; readonly dueMs: number } | 'end' | 'broken';

/** One direction of a connection: bytes, its end and its breaking travel in order. */
class Lane {
  onBroken: () => void = () => undefined;
  private readonly parcels: Parcel[] = [];
  private heldBytes = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly source: Socket,
    private readonly sink: Socket,
    private readonly direction: Direction,
    private readonly fault: () => LinkFault | undefined,
  ) {
    source.on('data', (bytes: Buffer) => this.take(bytes));
    source.once('end', () => this.add('end'));
    source.once('close', (hadError: boolean) => (hadError || !source.readableEnded ? this.add('broken') : undefined));
    sink.on('drain', () => this.flush());
    source.resume();
  }

  get isHolding(): boolean {
    return this.parcels.length > 0;
  }

  /** Passes on what may pass now. */
  flush(): void {
    clearTimeout(this.timer);
    for (let parcel = this.parcels[0]; parcel !== undefined && !this.isBlocked; parcel = this.parcels[0]) {
      if (typeof parcel === 'object') {
        const waitMs = parcel.dueMs - performance.now();
        if (waitMs > 0) {
          this.timer = setTimeout(() => this.flush(), waitMs);
          return;
        }
      }
      this.parcels.shift();
      if (!this.pass(parcel)) return;
    }
    if (this.heldBytes < MAX_HELD_BYTES && this.source.isPaused()) this.source.resume();
  }

  private get isBlocked(): boolean {
    const fault = this.fault();
    return fault?.kind === 'black_hole' || (fault?.kind === 'half_open' && this.direction === 'to_client') || this.sink.writableNeedDrain;
  }

  private take(bytes: Buffer): void {
    const fault = this.fault();
    this.heldBytes += bytes.byteLength;
    if (this.heldBytes >= MAX_HELD_BYTES) this.source.pause();
    this.add({ bytes, dueMs: performance.now() + (fault?.kind === 'delay' ? fault.delayMs : 0) });
  }

  private add(parcel: Parcel): void {
    this.parcels.push(parcel);
    this.flush();
  }

  /** False once the connection is no more. */
  private pass(parcel: Parcel): boolean {
    if (parcel === 'broken' || this.sink.destroyed) {
      this.onBroken();
      return false;
    }
    if (parcel === 'end') {
      this.sink.end();
      return true;
    }
    this.heldBytes -= parcel.bytes.byteLength;
    this.sink.write(parcel.bytes);
    return true;
  }
}
