import { SwitchyardError } from '@switchyard/errors';
import { findManifest, type ProviderManifest } from '@switchyard/providers';
import type { worker } from '@switchyard/proto';
import type { CredentialStore } from './credential.store.js';

export interface ProviderAccessOptions {
  readonly credentials: CredentialStore;
  /** Variables that a base URL may name. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `<slug>=<host[:port]>`: further hosts that may be shown a provider's credential, for example a company's own relay. */
  readonly credentialHosts: readonly string[];
}

/** How one endpoint is reached. */
export interface ProviderAccess {
  readonly manifest: ProviderManifest;
  readonly baseUrl: string;
  readonly credential: string | undefined;
  /** Manifest headers and authentication: the same object again for as long as they are the same. */
  readonly headers: Readonly<Record<string, string>>;
  /** Address of one of the provider's operations. */
  urlOf(path: string): URL;
}

/** Where an endpoint is: worked out once for all its attempts. Credentials may change: it knows its latest headers alone. */
interface ProviderAddress {
  /** Of the provider's slug; undefined when only the operator's catalogue names it. */
  readonly own: ProviderManifest | undefined;
  readonly manifest: ProviderManifest;
  readonly baseUrl: string;
  readonly isOwnHost: boolean;
  /** The provider's own host, one that the operator bound its credential to, or any for a provider that the operator runs. */
  readonly mayHaveCredential: boolean;
  urlOf(path: string): URL;
  headersWith(credential: string | undefined): Readonly<Record<string, string>>;
}

/** An address, and what of an endpoint it was worked out from beside the slug. */
interface AddressOf {
  readonly baseUrl: string;
  readonly manifest: string | undefined;
  readonly address: ProviderAddress;
}

/** Addresses come from catalogues, paths from manifests: more of either than this are not remembered. */
const MAX_REMEMBERED = 10_000;

/** A provider that only the operator's catalogue names behaves like this one unless it says otherwise. */
const GENERIC_MANIFEST_SLUG = 'vllm';

/** Knows for every endpoint its manifest, address and credential. */
export class ProviderAccessBook {
  private readonly extraHosts: ReadonlySet<string>;
  private readonly addresses = new Map<string, ProviderAddress>();
  /** By slug, what was asked for last: mostly what is asked for next. */
  private readonly latest = new Map<string, AddressOf>();

  constructor(private readonly options: ProviderAccessOptions) {
    this.extraHosts = new Set(options.credentialHosts.map((entry) => entry.toLowerCase()));
  }

  /** @throws SwitchyardError `provider_unavailable` when the endpoint has no address or lacks a credential it needs. */
  accessTo(endpoint: worker.AttemptEndpoint): ProviderAccess {
    const address = this.addressOf(endpoint);
    const { manifest, baseUrl, urlOf } = address;
    const credential = this.credentialFor(endpoint, address);
    return { manifest, baseUrl, credential, headers: address.headersWith(credential), urlOf };
  }

  /** Whether the worker could authenticate to a provider's own address. */
  hasCredential(slug: string): boolean {
    const manifest = findManifest(slug);
    if (manifest?.baseUrl !== undefined && this.fillIn(manifest.baseUrl) === undefined) return false;
    return manifest?.isCredentialOptional === true || this.options.credentials.find(slug, manifest) !== undefined;
  }

  private addressOf(endpoint: worker.AttemptEndpoint): ProviderAddress {
    const { providerSlug, baseUrl } = endpoint;
    const manifest = endpoint.traits['manifest'];
    const latest = this.latest.get(providerSlug);
    if (latest !== undefined && latest.baseUrl === baseUrl && latest.manifest === manifest) return latest.address;
    const key = `${providerSlug} ${manifest ?? ''} ${baseUrl}`;
    const address = this.addresses.get(key) ?? this.findAddress(endpoint);
    if (this.addresses.size < MAX_REMEMBERED) {
      this.addresses.set(key, address);
      this.latest.set(providerSlug, { baseUrl, manifest, address });
    }
    return address;
  }

  private findAddress(endpoint: worker.AttemptEndpoint): ProviderAddress {
    const own = findManifest(endpoint.providerSlug);
    const manifest = findManifest(endpoint.traits['manifest'] ?? endpoint.providerSlug) ?? findManifest(GENERIC_MANIFEST_SLUG)!;
    const ownBaseUrl = own?.baseUrl === undefined ? undefined : this.fillIn(own.baseUrl);
    const baseUrl = (endpoint.baseUrl || ownBaseUrl)?.replace(/\/+$/, '');
    if (baseUrl === undefined || !URL.canParse(baseUrl)) throw unusable(endpoint, 'no_base_url', 'has no usable base URL');
    const { host, origin } = new URL(baseUrl);
    const isOperators = own?.baseUrl === undefined;
    const isOwnHost = ownBaseUrl !== undefined && new URL(ownBaseUrl).origin === origin;
    const mayHaveCredential = isOperators || isOwnHost || this.extraHosts.has(`${endpoint.providerSlug}=${host}`);
    return { own, manifest, baseUrl, isOwnHost, mayHaveCredential, urlOf: rememberedUrls(baseUrl), headersWith: rememberedHeaders(manifest) };
  }

  /**
   * A credential goes to its provider's own host, to hosts that the operator bound it to, and, for providers that the operator runs, to
   * where the catalogue says. Any other address is called without one.
   */
  private credentialFor(endpoint: worker.AttemptEndpoint, { own, isOwnHost, mayHaveCredential }: ProviderAddress): string | undefined {
    if (endpoint.traits['credential'] === 'none' || !mayHaveCredential) return undefined;
    const credential = this.options.credentials.find(endpoint.providerSlug, own);
    if (credential === undefined && isOwnHost && own?.isCredentialOptional === false)
      throw unusable(endpoint, 'no_credential', 'has no credential in this worker');
    return credential;
  }

  /** Undefined when a variable that the URL needs is not set. */
  private fillIn(baseUrl: string): string | undefined {
    let isComplete = true;
    const filled = baseUrl.replace(/\{(\w+)\}/g, (_match, name: string) => {
      const value = this.options.environment[name]?.trim();
      if (!value) isComplete = false;
      return encodeURIComponent(value ?? '');
    });
    return isComplete ? filled : undefined;
  }
}

function rememberedUrls(baseUrl: string): (path: string) => URL {
  const urls = new Map<string, URL>();
  return (path) => {
    const known = urls.get(path);
    if (known) return known;
    const url = new URL(`${baseUrl}${path}`);
    if (urls.size < MAX_REMEMBERED) urls.set(path, url);
    return url;
  };
}

function rememberedHeaders(manifest: ProviderManifest): (credential: string | undefined) => Readonly<Record<string, string>> {
  let latest: { readonly credential: string | undefined; readonly headers: Readonly<Record<string, string>> } | undefined;
  return (credential) => {
    if (latest === undefined || latest.credential !== credential)
      latest = { credential, headers: { ...manifest.headers, ...authenticationHeader(manifest, credential) } };
    return latest.headers;
  };
}

function authenticationHeader(manifest: ProviderManifest, credential: string | undefined): Record<string, string> {
  if (credential === undefined) return {};
  return manifest.authentication.kind === 'bearer' ? { authorization: `Bearer ${credential}` } : { [manifest.authentication.name]: credential };
}

function unusable(endpoint: worker.AttemptEndpoint, code: string, sentence: string): SwitchyardError {
  return new SwitchyardError('provider_unavailable', `${endpoint.providerName || endpoint.providerSlug} ${sentence}.`, { providerCode: code });
}
