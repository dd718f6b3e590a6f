import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProviderManifest } from '@switchyard/providers';

/** What the store needs of a logger. */
export interface CredentialLogger {
  info(message: string, fields?: { readonly names?: readonly string[] }): void;
  warn(message: string, fields?: { readonly folder?: string; readonly error?: unknown }): void;
}

export interface CredentialStoreOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Mounted files, one per credential: named after the provider's slug or its variable. They win over the environment. */
  readonly folder?: string | undefined;
  readonly reloadIntervalMs: number;
  readonly logger: CredentialLogger;
}

const MAX_CREDENTIAL_BYTES = 16 * 1024;

/** The providers' own credentials. Values never leave this process but in the header of a request to their provider. */
export class CredentialStore {
  private files: ReadonlyMap<string, string> = new Map();
  private timer: NodeJS.Timeout | undefined;
  /** What was last said to be wrong. */
  private problem: string | undefined;
  /** Where each slug's credential may be; the same for every attempt. */
  private readonly variablesBySlug = new Map<string, readonly string[]>();

  constructor(private readonly options: CredentialStoreOptions) {}

  /** Reads the folder once and then again and again: secrets that are mounted change by a swap of links, which no watch reports reliably. */
  async open(): Promise<void> {
    if (this.options.folder === undefined) return;
    await this.reload();
    this.timer = setInterval(() => void this.reload(), this.options.reloadIntervalMs);
    this.timer.unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  /** By slug, then by the manifest's variables; files before the environment. Providers without a manifest have a slug alone. */
  find(slug: string, manifest: ProviderManifest | undefined): string | undefined {
    const variables = this.variablesOf(slug, manifest);
    if (this.files.size > 0) {
      for (const name of [slug, ...variables]) {
        const value = this.files.get(name);
        if (value !== undefined) return value;
      }
    }
    for (const name of variables) {
      const value = this.options.environment[name]?.trim();
      if (value) return value;
    }
    return undefined;
  }

  private variablesOf(slug: string, manifest: ProviderManifest | undefined): readonly string[] {
    let variables = this.variablesBySlug.get(slug);
    if (!variables) {
      variables = [...(manifest?.credentialVariables ?? []), `SWITCHYARD_CREDENTIAL_${slug.toUpperCase().replaceAll('-', '_')}`];
      this.variablesBySlug.set(slug, variables);
    }
    return variables;
  }

  /** Reads all files anew; on failure the last good ones stay, which is logged once. */
  async reload(): Promise<void> {
    const folder = this.options.folder;
    if (folder === undefined) return;
    try {
      const files = await readCredentialFiles(folder);
      const changed = [...files.keys(), ...this.files.keys()].filter((name) => files.get(name) !== this.files.get(name));
      if (changed.length > 0) this.options.logger.info('provider credentials were read', { names: [...new Set(changed)].sort() });
      this.files = files;
      this.problem = undefined;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem === this.problem) return;
      this.problem = problem;
      this.options.logger.warn('provider credentials cannot be read; the last ones stay in use', { folder, error });
    }
  }
}

async function readCredentialFiles(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    // Kubernetes keeps its own entries beside the files: `..data`, `..2026_01_01`.
    if (entry.name.startsWith('.') || entry.isDirectory()) continue;
    const text = await readFile(join(folder, entry.name), 'utf8');
    if (text.length <= MAX_CREDENTIAL_BYTES && text.trim() !== '') files.set(entry.name, text.trim());
  }
  return files;
}
