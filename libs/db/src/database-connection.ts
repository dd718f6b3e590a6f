import { checkServerIdentity, type ConnectionOptions, type PeerCertificate } from 'node:tls';
import { readableFile, RenewedFile } from '@switchyard/config';
import type pg from 'pg';

/** Where a database is, and how to get in. */
export interface DatabaseConnection {
  /** `postgres://user:password@host:port/database`, with `sslmode`, `sslrootcert`, `sslcert` and `sslkey` as libpq has them. */
  readonly url: string;
  /** Authorities of the server's certificate, PEM; as `sslrootcert`. With it and without `sslmode` the server is verified in full. */
  readonly caFile?: string | undefined;
  /** Read at each new connection; the URL's password is then of no interest. */
  readonly passwordFile?: string | undefined;
}

/** A URL alone says all, save where files are named beside it. */
export type DatabaseAddress = string | DatabaseConnection;

/** How far a connection is encrypted and its server verified, as libpq means it. */
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
type SslMode = (typeof SSL_MODES)[number];

const FILE_PARAMETERS = ['sslrootcert', 'sslcert', 'sslkey'] as const;
/** What is read here; all other parameters of a URL go to the driver. */
const OWN_PARAMETERS: ReadonlySet<string> = new Set(['sslmode', ...FILE_PARAMETERS]);
/** libpq's word for the authorities that the system trusts, which are taken where no file is. */
const SYSTEM_AUTHORITIES = 'system';

/** What is wrong with a URL, for people; never with its password. */
export function databaseUrlProblem(url: string): string | undefined {
  if (!/^postgres(ql)?:\/\//.test(url)) return 'must begin with postgres://';
  if (!URL.canParse(url) || !isDecodable(url)) return 'is no URL: special characters of a password have to be written as %XX';
  const { searchParams } = new URL(url);
  const mode = searchParams.get('sslmode');
  if (mode !== null && !isSslMode(mode)) return `must have one of ${SSL_MODES.join(', ')} as sslmode, not ${mode}`;
  return FILE_PARAMETERS.map((name) => fileProblem(name, searchParams.get(name) ?? '')).find((problem) => problem !== undefined);
}

/** Without the file the server would be judged by other authorities, or refuse us, and neither names it. */
function fileProblem(name: string, path: string): string | undefined {
  if (path === '' || path === SYSTEM_AUTHORITIES) return undefined;
  const { error } = readableFile().safeParse(path);
  return error && `names ${path} as ${name}, which ${error.issues[0]!.message}`;
}

/** A parsed URL keeps a `%` that stands for nothing. */
function isDecodable(url: string): boolean {
  try {
    const { username, password, hostname, pathname } = new URL(url);
    for (const part of [username, password, hostname, pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

/** Settings of the driver. Passwords and certificates are read from their files whenever a connection is made. */
export function connectionConfig(address: DatabaseAddress): pg.ClientConfig {
  const { url, caFile, passwordFile } = typeof address === 'string' ? { url: address } : address;
  const parsed = new URL(url);
  const parameters = Object.fromEntries([...parsed.searchParams].filter(([name]) => !OWN_PARAMETERS.has(name)));
  const host = parameters['host'] ?? decodeURIComponent(parsed.hostname).replace(/^\[(.*)\]$/, '$1');
  const passwordSource = passwordFile === undefined ? undefined : new RenewedFile(passwordFile);
  return {
    ...parameters,
    host: host === '' ? 'localhost' : host,
    port: Number(parameters['port'] ?? (parsed.port === '' ? 5432 : parsed.port)),
    user: decodeURIComponent(parsed.username),
    database: decodeURIComponent(parsed.pathname.slice(1)),
    password: passwordSource === undefined ? decodeURIComponent(parsed.password) : () => passwordSource.secret(),
    ssl: sslOptions(parsed, host, caFile),
  };
}

function sslOptions(url: URL, host: string, caFile: string | undefined): false | ConnectionOptions {
  const { searchParams } = url;
  const caPath = caFile ?? searchParams.get('sslrootcert') ?? '';
  const mode = modeOf(searchParams.get('sslmode'), caPath !== '');
  if (mode === 'disable') return false;
  const options: ConnectionOptions = {
    rejectUnauthorized: mode !== 'require',
    checkServerIdentity: (_, peer: PeerCertificate) => (mode === 'verify-full' ? checkServerIdentity(host, peer) : undefined),
  };
  readEachTime(options, 'ca', caPath);
  readEachTime(options, 'cert', searchParams.get('sslcert') ?? '');
  readEachTime(options, 'key', searchParams.get('sslkey') ?? '');
  return options;
}

/** The driver copies the options whenever it encrypts a connection. */
function readEachTime(options: ConnectionOptions, name: 'ca' | 'cert' | 'key', path: string): void {
  if (path === '') return;
  const file = new RenewedFile(path);
  Object.defineProperty(options, name, { get: () => file.content(), enumerable: true, configurable: true });
}

/** libpq: with an authority at hand `require` verifies the chain, too. */
function modeOf(wanted: string | null, hasAuthority: boolean): SslMode {
  if (wanted === null) return hasAuthority ? 'verify-full' : 'disable';
  if (!isSslMode(wanted)) throw new TypeError(`There is no sslmode ${wanted}`);
  return wanted === 'require' && hasAuthority ? 'verify-ca' : wanted;
}

function isSslMode(text: string): text is SslMode {
  return (SSL_MODES as readonly string[]).includes(text);
}
