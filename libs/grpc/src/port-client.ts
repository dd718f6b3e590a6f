import type { ChannelOptions } from '@grpc/grpc-js';
import type { Port } from '@switchyard/proto';

export interface PortClientOptions {
  /** For unary calls that name none. */
  readonly defaultTimeoutMs?: number | undefined;
  readonly channelOptions?: ChannelOptions | undefined;
}

export interface PortClient<Shape> {
  readonly port: Shape;
  close(): void;
}

export type CreatePortClient = <Shape>(port: Port<Shape>, address: string | readonly string[], options?: PortClientOptions) => PortClient<Shape>;
