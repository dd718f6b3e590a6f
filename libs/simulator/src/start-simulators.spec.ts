import { afterEach, describe, expect, it } from '@jest/globals';
import { freePort } from '@switchyard/testing';
import { simulatorCatalog, startSimulators, type RunningSimulators } from './start-simulators.js';

interface Catalog {
  readonly provider_overrides: Readonly<Record<string, { readonly base_url: string }>>;
  readonly providers: readonly { readonly base_url: string }[];
}

describe('startSimulators', () => {
  let simulators: RunningSimulators | undefined;
  afterEach(() => simulators?.close());

  it('lets a router elsewhere know the simulators by a name of their own, at ports that follow each other', async () => {
    const firstPort = await freePort();
    const options = { host: '0.0.0.0', firstPort, advertisedHost: 'simulator' };
    simulators = await startSimulators(['openai'], options);
    const catalog = simulators.catalog as Catalog;
    expect(catalog.provider_overrides['openai']!.base_url).toBe(`http://simulator:${firstPort}/openai`);
    expect(catalog.providers.map(({ base_url: baseUrl }) => baseUrl)).toEqual([1, 2, 3].map((offset) => `http://simulator:${firstPort + offset}/v1`));
    expect(simulatorCatalog(['openai'], options)).toEqual(catalog);
    // Not the address that it would listen on by itself, where there is another.
    const address = process.platform === 'linux' ? '127.0.0.2' : '127.0.0.1';
    for (const { port } of simulators.providers.values()) expect((await fetch(`http://${address}:${port}/v1/models`)).status).toBe(200);
  });
});
