import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type analytics, AnalyticsPort, CredentialPort } from '@switchyard/proto';
import { routerTarget } from '@switchyard/router/router.target';
import { ServedTarget } from './served-target.js';

type Statistics = analytics.WatchEndpointStatisticsResponse;

/** A router with a catalogue file that tests rewrite, and with statistics and credentials that they hand it. */
export class RouterWithFile {
  private readonly queue: Statistics[] = [];
  private wake: () => void = () => undefined;

  private constructor(
    private readonly folder: string,
    private readonly credentialed: Set<string>,
  ) {}

  target!: ServedTarget;

  static async start(catalog: string, credentialed: readonly string[] = []): Promise<RouterWithFile> {
    const router = new RouterWithFile(await mkdtemp(join(tmpdir(), 'contract-catalogue-')), new Set(credentialed));
    await router.writeCatalog(catalog);
    router.target = await ServedTarget.start(routerTarget, {
      environment: {
        SWITCHYARD_CATALOG_FILE: router.path,
        SWITCHYARD_CATALOG_RELOAD_MS: '50ms',
        SWITCHYARD_TABLE_HEARTBEAT_MS: '50ms',
        SWITCHYARD_CREDENTIAL_CHECK_MS: '50ms',
      },
      neighbours: { [AnalyticsPort.name]: router.analytics(), [CredentialPort.name]: router.credentials() },
    });
    return router;
  }

  /** The router sees the old text or the new one, never half of it. */
  async writeCatalog(text: string): Promise<void> {
    await writeFile(`${this.path}.new`, text);
    await rename(`${this.path}.new`, this.path);
  }

  pushStatistics(statistics: Statistics): void {
    this.queue.push(statistics);
    this.wake();
  }

  setCredentialed(slug: string, isCredentialed: boolean): void {
    if (isCredentialed) this.credentialed.add(slug);
    else this.credentialed.delete(slug);
  }

  async close(): Promise<void> {
    await this.target.close();
    await rm(this.folder, { recursive: true });
  }

  private get path(): string {
    return join(this.folder, 'catalog.yaml');
  }

  private credentials(): CredentialPort {
    return { listProviderCredentials: ({ providerSlugs }) => Promise.resolve({ providerSlugs: providerSlugs.filter((slug) => this.credentialed.has(slug)) }) };
  }

  private analytics(): Pick<AnalyticsPort, 'watchEndpointStatistics'> {
    return { watchEndpointStatistics: (_request, options) => this.statistics(options?.signal) };
  }

  private async *statistics(signal: AbortSignal | undefined): AsyncGenerator<Statistics, void, undefined> {
    signal?.addEventListener('abort', () => this.wake());
    while (signal?.aborted !== true) {
      const next = this.queue.shift();
      if (next) yield next;
      else await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
