import { describe, expect, it } from '@jest/globals';
import { readText, repositoryFiles } from './repository-files.js';

/** Carried by the sessions of libs/grpc, whose suite is test/contract/attempt-transport.contract.spec.ts. */
const SERVED_BY_SESSIONS = ['worker.WorkerService'];

const ports = [...readText('libs/proto/src/ports.ts').matchAll(/export const (\w+) = definePort\('([\w.]+)'/g)].map(([, name = '', service = '']) => ({
  name,
  service,
}));

describe('ports', () => {
  it('are there for every service of the protocol', () => {
    const services = repositoryFiles('proto')
      .filter((file) => file.endsWith('.proto'))
      .flatMap((file) => {
        const text = readText(file);
        const target = /^package switchyard\.(\w+)\.v\d+;/m.exec(text)?.[1];
        return [...text.matchAll(/^service (\w+) \{/gm)].map(([, name]) => `${target}.${name}`);
      });
    expect([...ports.map(({ service }) => service), ...SERVED_BY_SESSIONS].sort()).toEqual(services.sort());
  });

  const suites = repositoryFiles('test/contract')
    .filter((file) => file.endsWith('.contract.spec.ts'))
    .map(readText);

  it.each(ports)('$name has a contract suite over its real service', ({ name }) => {
    expect(suites.filter((text) => new RegExp(`describePort\\(\\s*${name},`).test(text))).toHaveLength(1);
  });
});
