import { Agent, request } from 'undici';

export interface LoadRequest {
  readonly baseUrl: string;
  readonly path: string;
  readonly key: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Leaves after so many milliseconds. */
  readonly leaveAfterMs?: number;
}

export interface SteadyLoad {
  /** Answers so far by status; 0 where the client left or the connection broke. */
  readonly statuses: ReadonlyMap<number, number>;
  stop(): Promise<void>;
}

/** Sends requests one after the other, `perSecond` of them, until it is stopped; whatever comes back is taken and counted. */
export function startLoad(perSecond: number, next: (index: number) => LoadRequest): SteadyLoad {
  const agent = new Agent({ connections: 100 });
  const open = new Set<Promise<void>>();
  const statuses = new Map<number, number>();
  const startMs = performance.now();
  let sent = 0;
  const timer = setInterval(() => {
    for (const due = ((performance.now() - startMs) * perSecond) / 1_000; sent < due && open.size < 200;) {
      const answer = ask(agent, next(sent++)).then((status) => {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        open.delete(answer);
      });
      open.add(answer);
    }
  }, 20);
  return {
    statuses,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(open);
      await agent.destroy();
    },
  };
}

async function ask(dispatcher: Agent, { baseUrl, path, key, body, headers, leaveAfterMs }: LoadRequest): Promise<number> {
  try {
    const response = await request(`${baseUrl}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      dispatcher,
      ...(leaveAfterMs === undefined ? {} : { signal: AbortSignal.timeout(leaveAfterMs) }),
    });
    await response.body.dump();
    return response.statusCode;
  } catch {
    return 0;
  }
}
