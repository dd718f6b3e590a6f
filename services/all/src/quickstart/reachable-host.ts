import { joinAddress } from '@switchyard/grpc';

/** How this machine reaches a server that listens on every address. */
const LOOPBACK_OF: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** `host:port` at which this machine reaches a server that listens on `host`. */
export function reachableAddress(host: string, port: number): string {
  return joinAddress(LOOPBACK_OF[host] ?? host, port);
}

export function reachableOrigin(host: string, port: number): string {
  return `http://${reachableAddress(host, port)}`;
}
