import { Resolver } from 'node:dns/promises';

/** Doubled with the second try: where nobody answers for one family, time is left to connect to an address of the other. */
const TIMEOUT_MS = 700;
const TRIES = 2;

/**
 * Looks up names that customers write, with queries of its own. The machine's resolver has few threads, which nobody can call back: names that are never
 * answered, one request's alone, would keep those of all providers waiting for minutes.
 */
export class PublicNames {
  private readonly resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });

  /** `servers`: of names, as `address:port`; those of the machine by default. */
  constructor(servers?: readonly string[]) {
    if (servers !== undefined) this.resolver.setServers(servers);
  }

  /** Addresses of both families. @throws the resolver's error when there is none */
  async resolve(name: string): Promise<readonly string[]> {
    const answers = await Promise.allSettled([this.resolver.resolve4(name), this.resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    const [failure] = answers;
    if (addresses.length === 0 && failure.status === 'rejected') throw failure.reason;
    return addresses;
  }
}
