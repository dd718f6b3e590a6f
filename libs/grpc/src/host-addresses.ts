import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** Addresses of a host name. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** How often names are asked again for the addresses they stand for: replicas come and go without a word. */
export const RESOLVE_INTERVAL_MS = 5_000;

export async function resolveByDns(host: string): Promise<string[]> {
  const addresses = await lookup(host, { all: true });
  return [...new Set(addresses.map(({ address }) => address))];
}

/** @throws Error when it is not `host:port` */
export function splitAddress(name: string): { host: string; port: string } {
  const match = /^\[?(.+?)\]?:(\d+)$/.exec(name);
  if (!match) throw new Error(`"${name}" is not host:port`);
  return { host: match[1]!, port: match[2]! };
}

/** Whether it is `host:port`, of a host that can be looked up or dialled. */
export function isAddress(text: string): boolean {
  if (!/.:\d+$/.test(text)) return false;
  const { host, port } = splitAddress(text);
  return (isIP(host) !== 0 || /^[\w.-]+$/.test(host)) && Number(port) > 0 && Number(port) <= 65_535;
}

export function joinAddress(host: string, port: string | number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
