import { describe, expect, it } from '@jest/globals';
import { createServer, type AddressInfo } from 'node:net';
import { freePort, freePortRun, isPortFree, requirePorts } from './free-port.js';

describe('ports for services that are about to start', () => {
  it('are free, each another, and none that the system hands out for connections', async () => {
    const ports = [await freePort(), await freePort(), await freePort()];
    expect(new Set(ports).size).toBe(3);
    for (const port of ports) {
      expect(port).toBeLessThan(32_768);
      expect(await isPortFree(port)).toBe(true);
    }
  });

  it('come in a row for the ingresses, and nobody else is given one of them', async () => {
    const first = await freePortRun(3);
    const run = [first, first + 1, first + 2];
    expect(run).not.toContain(await freePort());
    for (const port of run) expect(await isPortFree(port)).toBe(true);
  });

  it('are no row when somebody listens in the midst of it', async () => {
    const before = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(before + 2, '127.0.0.1', resolve));
    try {
      const first = await freePortRun(2);
      expect([first, first + 1]).not.toContain(before + 2);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('are passed over when somebody listens there', async () => {
    const before = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(before + 1, '127.0.0.1', resolve));
    try {
      expect(await isPortFree((server.address() as AddressInfo).port)).toBe(false);
      expect(await freePort()).not.toBe(before + 1);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('that are asked for are refused in a sentence: taken, or past the last one', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const taken = (server.address() as AddressInfo).port;
    try {
      await expect(requirePorts(taken, 1, '127.0.0.1')).rejects.toThrow(`Port ${taken} is in use. Choose another with SWITCHYARD_HTTP_PORT.`);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    await expect(requirePorts(65_535, 2, '127.0.0.1')).rejects.toThrow(
      'There are no 2 ports from 65535 on: 65535 is the last. Choose another with SWITCHYARD_HTTP_PORT.',
    );
    const free = await freePort();
    expect(await requirePorts(free, 1, '127.0.0.1')).toBe(free);
    await expect(requirePorts(free, 1, '192.0.2.1')).rejects.toThrow('192.0.2.1 is no address of this machine. Choose another with SWITCHYARD_HTTP_HOST.');
  });
});
