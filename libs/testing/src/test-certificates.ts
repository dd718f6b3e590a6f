import { createPublicKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';

/** PEM texts. */
export interface TestCertificate {
  readonly certificate: string;
  /** PKCS #8. */
  readonly key: string;
}

export interface IssueOptions {
  /** DNS names and IPv4 addresses that it is good for; none for a mere client. */
  readonly names?: readonly string[];
  readonly commonName?: string;
  /** Default: an hour from now. */
  readonly expiresAt?: Date;
}

const OIDS = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  serverAuthentication: '1.3.6.1.5.5.7.3.1',
  clientAuthentication: '1.3.6.1.5.5.7.3.2',
} as const;
const HOUR_MS = 3_600_000;
/** keyCertSign and cRLSign. */
const AUTHORITY_KEY_USAGE = Buffer.from([0x01, 0x06]);

/** A certificate authority of a test's own. What it issues is good for servers and clients, over elliptic curve P-256. */
export class TestAuthority {
  readonly certificate: string;
  private readonly key: KeyObject;

  constructor(
    private readonly commonName = 'Test authority',
    expiresAt = new Date(Date.now() + HOUR_MS),
  ) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    this.key = privateKey;
    const extensions = [extension(OIDS.basicConstraints, sequence(boolean(true)), true), extension(OIDS.keyUsage, tlv(0x03, AUTHORITY_KEY_USAGE), true)];
    this.certificate = this.signed({ subject: commonName, publicKey, extensions, expiresAt });
  }

  issue({ names = [], commonName = names[0] ?? 'client', expiresAt = new Date(Date.now() + HOUR_MS) }: IssueOptions = {}): TestCertificate {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const usages = extension(OIDS.extendedKeyUsage, sequence(objectId(OIDS.serverAuthentication), objectId(OIDS.clientAuthentication)));
    const extensions = names.length === 0 ? [usages] : [usages, extension(OIDS.subjectAltName, sequence(...names.map(alternativeName)))];
    const certificate = this.signed({ subject: commonName, publicKey: createPublicKey(privateKey), extensions, expiresAt });
    return { certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  }

  private signed(parts: { subject: string; publicKey: KeyObject; extensions: readonly Buffer[]; expiresAt: Date }): string {
    const algorithm = sequence(objectId(OIDS.ecdsaWithSha256));
    const body = sequence(
      tlv(0xa0, integer(Buffer.from([2]))),
      integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
      algorithm,
      name(this.commonName),
      sequence(time(new Date(Date.now() - HOUR_MS)), time(parts.expiresAt)),
      name(parts.subject),
      parts.publicKey.export({ type: 'spki', format: 'der' }),
      tlv(0xa3, sequence(...parts.extensions)),
    );
    const signature = sign('sha256', body, this.key);
    return pem(sequence(body, algorithm, tlv(0x03, Buffer.concat([Buffer.from([0]), signature]))));
  }
}

function pem(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** One value of ASN.1's distinguished encoding: tag, length, content. */
function tlv(tag: number, content: Buffer): Buffer {
  const length = content.byteLength;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const digits = Buffer.from(length.toString(16).padStart(length > 0xff ? 4 : 2, '0'), 'hex');
  return Buffer.concat([Buffer.from([tag, 0x80 | digits.byteLength]), digits, content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function integer(bytes: Buffer): Buffer {
  return tlv(0x02, bytes);
}

function boolean(value: boolean): Buffer {
  return tlv(0x01, Buffer.from([value ? 0xff : 0]));
}

function objectId(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tlv(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** Seven bits a byte, most significant first; all but the last have their top bit set. */
function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let rest = value >> 7; rest > 0; rest >>= 7) digits.unshift((rest & 0x7f) | 0x80);
  return digits;
}

function name(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(objectId(OIDS.commonName), tlv(0x0c, Buffer.from(commonName)))));
}

/** UTCTime: two digits of the year. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(objectId(id), ...(isCritical ? [boolean(true)] : []), tlv(0x04, value));
}

function alternativeName(text: string): Buffer {
  return isIPv4(text) ? tlv(0x87, Buffer.from(text.split('.').map(Number))) : tlv(0x82, Buffer.from(text));
}
