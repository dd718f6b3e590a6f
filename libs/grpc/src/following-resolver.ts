import { isIP } from 'node:net';
import { experimental, Metadata, status as GrpcStatus, type ChannelOptions } from '@grpc/grpc-js';
import { RESOLVE_INTERVAL_MS, resolveByDns, splitAddress, type ResolveHost } from './host-addresses.js';

/** Channel option: `FollowOptions`. */
export const FOLLOW_OPTIONS_KEY = 'switchyard.follow';

export interface FollowOptions {
  /** Addresses of a host name; DNS by default. */
  readonly resolve?: ResolveHost | undefined;
  readonly resolveIntervalMs?: number | undefined;
}

interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

const SCHEME = 'switchyard';
/** Asked for sooner, by connections that break, names are asked this often at most. */
const LEAST_INTERVAL_MS = 500;

/** A channel's target: all addresses that these `host:port` stand for, looked up again as long as the channel lives. */
export function followingTarget(names: readonly string[]): string {
  registerOnce();
  return `${SCHEME}:${names.join(',')}`;
}

/**
 * gRPC's own resolver asks a name again only once a connection broke, so replicas that were added would never be called. This one asks every few
 * seconds. A name that does not resolve keeps the addresses it had.
 */
class FollowingResolver implements experimental.Resolver {
  private readonly names: readonly string[];
  private readonly resolve: ResolveHost;
  private readonly intervalMs: number;
  private readonly known = new Map<string, readonly SocketAddress[]>();
  private timer: NodeJS.Timeout | undefined;
  private reported: string | undefined;
  private lookup = 0;
  private lastLookupMs = Number.NEGATIVE_INFINITY;

  constructor(
    target: experimental.GrpcUri,
    private readonly listener: experimental.ResolverListener,
    channelOptions: ChannelOptions,
  ) {
    const { resolve = resolveByDns, resolveIntervalMs = RESOLVE_INTERVAL_MS } = (channelOptions[FOLLOW_OPTIONS_KEY] ?? {}) as FollowOptions;
    this.names = target.path.split(',');
    this.resolve = resolve;
    this.intervalMs = resolveIntervalMs;
  }

  static getDefaultAuthority(target: experimental.GrpcUri): string {
    return target.path.split(',')[0]!;
  }

  updateResolution(): void {
    const waitMs = Math.max(0, this.lastLookupMs + Math.min(LEAST_INTERVAL_MS, this.intervalMs) - performance.now());
    this.schedule(waitMs);
  }

  destroy(): void {
    clearTimeout(this.timer);
    this.lookup++;
    this.reported = undefined;
    this.lastLookupMs = Number.NEGATIVE_INFINITY;
  }

  private schedule(waitMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.lookUp(), waitMs);
    // Nothing of a first call keeps the process alive but this.
    if (this.reported !== undefined) this.timer.unref();
  }

  private async lookUp(): Promise<void> {
    const lookup = ++this.lookup;
    this.lastLookupMs = performance.now();
    const problems = (await Promise.all(this.names.map((name) => this.lookUpName(name)))).filter((problem) => problem !== undefined);
    if (lookup !== this.lookup) return;
    this.report(problems);
    this.schedule(this.reported === undefined ? Math.min(LEAST_INTERVAL_MS, this.intervalMs) : this.intervalMs);
  }

  /** Why the name has no addresses. */
  private async lookUpName(name: string): Promise<string | undefined> {
    try {
      const { host, port } = splitAddress(name);
      const hosts = isIP(host) === 0 ? await this.resolve(host) : [host];
      if (hosts.length === 0) throw new Error(`${host} has no addresses`);
      this.known.set(
        name,
        hosts.map((each) => ({ host: each, port: Number(port) })),
      );
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** Only what changed: the same list again would make the channel set up its connections anew. */
  private report(problems: readonly string[]): void {
    const addresses = this.names.flatMap((name) => this.known.get(name) ?? []);
    if (addresses.length === 0) {
      const details = `Name resolution failed: ${problems.join('; ')}`;
      this.listener(experimental.statusOrFromError({ code: GrpcStatus.UNAVAILABLE, details, metadata: new Metadata() }), {}, null, '');
      return;
    }
    const list = JSON.stringify(addresses.map(({ host, port }) => `${host} ${port}`).sort());
    if (list === this.reported) return;
    this.reported = list;
    this.listener(experimental.statusOrFromValue(addresses.map((address) => ({ addresses: [address] }))), {}, null, '');
  }
}

let isRegistered = false;

function registerOnce(): void {
  if (isRegistered) return;
  isRegistered = true;
  experimental.registerResolver(SCHEME, FollowingResolver);
}
