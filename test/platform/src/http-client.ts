import { request } from 'undici';

export interface JsonResponse<Body> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  readonly body: Body;
}

/** One raw HTTP call, for what the official clients hide. `path` is below the base URL. */
export async function call<Body = Record<string, unknown>>(
  baseUrl: string,
  path: string,
  options: {
    readonly key?: string;
    readonly method?: string;
    readonly body?: unknown;
    readonly headers?: Readonly<Record<string, string>>;
    readonly signal?: AbortSignal;
  } = {},
): Promise<JsonResponse<Body>> {
  const hasBody = options.body !== undefined;
  const response = await request(`${baseUrl}${path}`, {
    method: (options.method ?? (hasBody ? 'POST' : 'GET')) as 'GET',
    headers: {
      ...(options.key ? { authorization: `Bearer ${options.key}` } : {}),
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...options.headers,
    },
    ...(hasBody ? { body: typeof options.body === 'string' ? options.body : JSON.stringify(options.body) } : {}),
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const text = await response.body.text();
  return { status: response.statusCode, headers: response.headers, text, body: parse(text) as Body };
}

/** The JSON payloads of a stream, in order, `[DONE]` and comments left out. */
export function eventsOf<Chunk = Record<string, unknown>>(text: string): Chunk[] {
  return text
    .split('\n\n')
    .filter((event) => event.startsWith('data: {'))
    .map((event) => JSON.parse(event.slice('data: '.length)) as Chunk);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
