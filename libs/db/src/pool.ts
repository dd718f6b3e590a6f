import type { Logger } from '@switchyard/telemetry';
import pg from 'pg';
import { connectionConfig, type DatabaseAddress } from './database-connection.js';
import { EndingClient } from './ending-client.js';
import { ANSWER_MARGIN_MS } from './statement-time.js';

export interface PoolOptions {
  /** Becomes the search_path of every connection. */
  readonly schema?: string;
  /** Most connections; default 10. */
  readonly max?: number;
  /** Of one statement; default 30 000. A pause between two statements of a transaction may take two thirds of it. */
  readonly statementTimeoutMs?: number;
  /** Longest wait for the answer to a statement; default 10 000 more than the server lets it run. */
  readonly answerTimeoutMs?: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string;
  /** Told about idle connections that broke; they are replaced when next needed. */
  readonly logger?: Logger;
}

/** Longest wait for a free or new connection. */
const CONNECT_TIMEOUT_MS = 5_000;
/** Silence after which a server whose machine has gone is asked for: the system's own default is two hours. */
const KEEP_ALIVE_DELAY_MS = 10_000;
/** The same for the server, which would keep the connections of a machine that has gone for as long: it asks after a minute, and ends them after another. */
const SERVER_KEEP_ALIVE = '-c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=6';
/** What the code relies on, and a database or a role may have otherwise: times are read in this form, and a lone statement waits for another's row instead of failing. */
const SERVER_DEFAULTS = '-c DateStyle=ISO -c default_transaction_isolation=read\\ committed';
const INT8 = 20;
const INT8_ARRAY = 1016;

/** A bounded pool. `int8` comes as `bigint`, `numeric` as text: money never passes through a float. */
export function createPool(address: DatabaseAddress, options: PoolOptions = {}): pg.Pool {
  const pool = new pg.Pool({ ...connectionConfig(address), Client: EndingClient, max: options.max ?? 10, ...connectionSettings(options) });
  pool.on('error', (error) => options.logger?.warn('An idle database connection broke.', { error }));
  // Taken from the pool a connection may break between two queries. The next query tells; without a listener the process would end.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/** A connection of its own, for what must not share one: LISTEN and session locks. The caller connects and ends it. */
export function createClient(address: DatabaseAddress, options: PoolOptions = {}): pg.Client {
  return new EndingClient({ ...connectionConfig(address), ...connectionSettings(options) });
}

function connectionSettings(options: PoolOptions): pg.ClientConfig {
  const { statementTimeoutMs = 30_000 } = options;
  return {
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: statementTimeoutMs,
    // A process that is stopped, or whose machine has gone, would keep its locks until the server misses it: by the system's own default after two hours.
    // Shorter than a statement may take, so that whoever waited for the lock from its beginning still gets it.
    idle_in_transaction_session_timeout: Math.ceil((statementTimeoutMs * 2) / 3),
    // A machine that goes while it is asked something never says so, and the system sends the question again for a quarter of an hour.
    query_timeout: options.answerTimeoutMs ?? statementTimeoutMs + ANSWER_MARGIN_MS,
    application_name: options.applicationName ?? 'switchyard',
    // What is asked without waiting for the answer before goes out at once: a busy event loop makes every round trip long.
    pipeline: true,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: { getTypeParser: typeParser },
    options: serverOptions(options.schema),
  };
}

/** What the server is told for the whole of a connection. */
export function serverOptions(schema?: string): string {
  const settings = `${SERVER_DEFAULTS} ${SERVER_KEEP_ALIVE}`;
  return schema === undefined ? settings : `-c search_path=${requireSchemaName(schema)} ${settings}`;
}

/** A schema's name is written into SQL and connection options, so only plain lower-case names are taken. */
export function requireSchemaName(name: string): string {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) throw new TypeError(`Not a schema name: ${JSON.stringify(name)}.`);
  return name;
}

const parseInt8Array = (text: string): bigint[] => text.slice(1, -1).split(',').filter(Boolean).map(BigInt);

const typeParser: pg.CustomTypesConfig['getTypeParser'] = (typeId, format) => {
  const type: number = typeId;
  if (format !== 'binary') {
    if (type === INT8) return BigInt;
    if (type === INT8_ARRAY) return parseInt8Array;
  }
  return pg.types.getTypeParser(typeId, format);
};
