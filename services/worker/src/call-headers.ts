type Headers = Readonly<Record<string, string>>;

interface KnownList {
  readonly requestHeaders: Headers;
  readonly list: string[];
}

/** Puts together the headers of calls to providers: name, value, name, value. An endpoint's calls have mostly the same, whose list is kept. */
export class CallHeaders {
  private readonly whole = new WeakMap<Headers, KnownList>();
  private readonly streams = new WeakMap<Headers, KnownList>();

  constructor(private readonly userAgent: string) {}

  /** What the endpoint's access demands comes before what the request does, and that before our own. The list is not to be changed. */
  of(isStream: boolean, requestHeaders: Headers, accessHeaders: Headers): string[] {
    const lists = isStream ? this.streams : this.whole;
    const known = lists.get(accessHeaders);
    if (known?.requestHeaders === requestHeaders) return known.list;
    const headers: Headers = {
      'content-type': 'application/json',
      accept: isStream ? 'text/event-stream' : 'application/json',
      'accept-encoding': 'identity',
      'user-agent': this.userAgent,
      ...requestHeaders,
      ...accessHeaders,
    };
    const list = Object.entries(headers).flat();
    lists.set(accessHeaders, { requestHeaders, list });
    return list;
  }
}
