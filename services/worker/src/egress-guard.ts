import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import { SwitchyardError } from '@switchyard/errors';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import { PublicNames } from './public-names.js';

export interface EgressGuardOptions {
  /** Networks that may be reached although they are not public, for example `10.1.0.0/16`. */
  readonly allowCidrs: readonly string[];
  /** Addresses of a host name; those that name servers tell by default. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

/**
 * Keeps URLs that a customer names away from private networks: every new connection is vetted by the very address that is then
 * dialled, so neither a redirect nor a name that changes its address between check and use gets through.
 */
export class EgressGuard {
  private readonly allowed: readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[];
  private readonly resolve: (hostname: string) => Promise<readonly string[]>;

  constructor({ allowCidrs, resolve }: EgressGuardOptions) {
    this.allowed = allowCidrs.map((cidr) => ipaddr.parseCIDR(cidr));
    const names = new PublicNames();
    this.resolve = resolve ?? ((hostname) => names.resolve(hostname));
  }

  /** True for public unicast addresses and those the operator allows. Addresses that hold an IPv4 address inside are never public. */
  isAllowed(address: string): boolean {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    if (this.allowed.some(([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits))) return true;
    return parsed.range() === 'unicast' && !isIpv4Compatible(parsed);
  }

  /** @throws SwitchyardError `invalid_request` for anything but a plain http(s) URL. */
  checkUrl(text: string): URL {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
      throw new SwitchyardError('invalid_request', 'Only http and https URLs can be fetched.');
    if (url.username !== '' || url.password !== '') throw new SwitchyardError('invalid_request', 'URLs with a user name or password are not fetched.');
    const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(literal) !== 0 && !this.isAllowed(literal)) throw refusal();
    return url;
  }

  /** For undici: connects to vetted addresses only. */
  connector(timeoutMs: number): buildConnector.connector {
    const connect = buildConnector({ timeout: timeoutMs, allowH2: false, lookup: this.lookup });
    return (options, callback) => {
      const literal = options.hostname.replace(/^\[(.*)\]$/, '$1');
      // A literal is dialled without a lookup.
      if (isIP(literal) !== 0 && !this.isAllowed(literal)) callback(refusal(), null);
      else connect(options, callback);
    };
  }

  private readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.resolveAll(hostname).then(
      (addresses) => {
        const vetted = addresses.filter((address) => this.isAllowed(address)).map((address) => ({ address, family: isIP(address) }));
        // One private address among public ones is a trick, not a host.
        if (vetted.length < addresses.length || vetted.length === 0) return callback(refusal(), '', 0);
        if (options.all === true) callback(null, vetted);
        else callback(null, vetted[0]!.address, vetted[0]!.family);
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    );
  };

  private async resolveAll(hostname: string): Promise<readonly string[]> {
    try {
      return await this.resolve(hostname);
    } catch (error) {
      // The machine's own hosts and search domains name private addresses, which only an operator's list lets through.
      if (this.allowed.length === 0 || !NOT_KNOWN.has((error as NodeJS.ErrnoException).code)) throw error;
      return (await lookup(hostname, { all: true })).map(({ address }) => address);
    }
  }
}

/** The name servers know no such name, or there are none. One that does not answer is not asked for anew. */
const NOT_KNOWN: ReadonlySet<string | undefined> = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED']);

/** `::a.b.c.d`, long deprecated, yet some stacks still reach the IPv4 address with it. */
function isIpv4Compatible(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return address instanceof ipaddr.IPv6 && address.parts.slice(0, 6).every((part) => part === 0);
}

function refusal(): SwitchyardError {
  return new SwitchyardError('invalid_request', 'This address may not be fetched: it is not a public one.');
}
