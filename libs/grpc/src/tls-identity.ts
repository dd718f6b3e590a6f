import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { checkServerIdentity, createSecureContext } from 'node:tls';
import { experimental, type ChannelCredentials, type ServerCredentials } from '@grpc/grpc-js';

export interface TlsIdentityOptions {
  /** This process's certificate with what leads to the authority, PEM; it shows it as server and as client. */
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Authorities that sign the certificates of everybody else, PEM. */
  readonly caFile: string;
  /** Name that the certificates of servers must carry; the host that was dialled when absent. */
  readonly serverName?: string | undefined;
  /** How often the files are read again. */
  readonly reloadMs: number;
  readonly logger: TlsLogger;
}

export interface TlsLogger {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** A file cannot be read, or what it holds does not belong together: a sentence for people, without secrets. */
export class TlsFileError extends Error {}

interface Material {
  readonly certificate: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
}

type CertificateProvider = Parameters<typeof experimental.createCertificateProviderChannelCredentials>[0];
type CaListener = Parameters<CertificateProvider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<CertificateProvider['addIdentityCertificateListener']>[0];

/**
 * Who this process is towards the others, and whom it believes: mutual TLS from three files. New files serve new connections as soon as they are
 * seen; connections that are open stay, and files that do not belong together leave what was read before in force.
 */
export class TlsIdentity implements CertificateProvider {
  readonly serverName: string | undefined;
  readonly channelCredentials: ChannelCredentials;
  /** Clients without a certificate of the authorities are turned away. */
  readonly serverCredentials: ServerCredentials;
  private readonly caListeners = new Set<CaListener>();
  private readonly identityListeners = new Set<IdentityListener>();
  private readonly timer: NodeJS.Timeout;
  private material: Material;
  private problem: string | undefined;

  /** @throws TlsFileError */
  constructor(private readonly options: TlsIdentityOptions) {
    const { certificateFile, keyFile, caFile } = options;
    const [certificate, key, ca] = [certificateFile, keyFile, caFile].map(readNow) as [Buffer, Buffer, Buffer];
    this.material = { certificate, key, ca };
    requireUsable(this.material, options);
    this.serverName = options.serverName;
    this.channelCredentials = experimental.createCertificateProviderChannelCredentials(this, this);
    this.serverCredentials = experimental.createCertificateProviderServerCredentials(this, this, true);
    this.timer = setInterval(() => void this.reload(), options.reloadMs);
    this.timer.unref();
  }

  /** From when and until when the certificate in use is valid, unix milliseconds. */
  get validity(): { readonly startTimeMs: number; readonly expiryTimeMs: number } {
    const { validFromDate, validToDate } = new X509Certificate(this.material.certificate);
    return { startTimeMs: validFromDate.getTime(), expiryTimeMs: validToDate.getTime() };
  }

  /** For a client of servers at these hosts, each of which shows a name of theirs; gRPC knows one name for all that a client calls. */
  credentialsFor(hosts: readonly string[]): ChannelCredentials {
    if (this.serverName !== undefined || new Set(hosts).size < 2) return this.channelCredentials;
    return experimental.createCertificateProviderChannelCredentials(this, this, {
      checkServerIdentity: (_, certificate) => {
        const problems = hosts.map((host) => checkServerIdentity(host, certificate));
        return problems.includes(undefined) ? undefined : problems[0];
      },
    });
  }

  close(): void {
    clearInterval(this.timer);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.caListeners.add(listener);
    // Whoever listens is still being made.
    process.nextTick(() => listener({ caCertificate: this.material.ca }));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.caListeners.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.identityListeners.add(listener);
    process.nextTick(() => listener(this.identity));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.identityListeners.delete(listener);
  }

  private get identity(): { certificate: Buffer; privateKey: Buffer } {
    return { certificate: this.material.certificate, privateKey: this.material.key };
  }

  private async reload(): Promise<void> {
    try {
      const { certificateFile, keyFile, caFile } = this.options;
      const [certificate, key, ca] = await Promise.all([readFile(certificateFile), readFile(keyFile), readFile(caFile)]);
      this.use({ certificate, key, ca });
      this.problem = undefined;
    } catch (error) {
      this.complainOnce(error instanceof Error ? error.message : String(error));
    }
  }

  private use(material: Material): void {
    const { certificate, key, ca } = this.material;
    if (material.certificate.equals(certificate) && material.key.equals(key) && material.ca.equals(ca)) return;
    requireUsable(material, this.options);
    this.material = material;
    for (const listener of this.caListeners) listener({ caCertificate: material.ca });
    for (const listener of this.identityListeners) listener(this.identity);
    this.options.logger.info('Read new TLS certificates', { detail: `valid until ${new Date(this.validity.expiryTimeMs).toISOString()}` });
  }

  /** While files are being replaced they may not belong together for a moment, and a volume may be away for longer. */
  private complainOnce(problem: string): void {
    if (this.problem === problem) return;
    this.problem = problem;
    this.options.logger.warn('The TLS files cannot be used; what was read before stays in force', { reason: problem });
  }
}

function readNow(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new TlsFileError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, { cause: error });
  }
}

/** @throws TlsFileError */
function requireUsable({ certificate, key, ca }: Material, { certificateFile, keyFile, caFile }: TlsIdentityOptions): void {
  const check = (what: string, work: () => unknown): void => {
    try {
      work();
    } catch (error) {
      throw new TlsFileError(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  };
  check(`${certificateFile} holds no certificate`, () => new X509Certificate(certificate));
  check(`${caFile} holds no certificate`, () => new X509Certificate(ca));
  check(`${keyFile} does not belong to ${certificateFile}`, () => createSecureContext({ cert: certificate, key }));
}
