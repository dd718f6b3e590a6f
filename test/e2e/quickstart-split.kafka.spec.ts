import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { call } from '@switchyard/test-platform';
import { eventually } from '@switchyard/testing';
import { QuickstartProgram, type QuickstartContract } from './quickstart-program.js';

const START_TIMEOUT_MS = 300_000;

/** The five services as processes, over gRPC and a real Kafka. */
describe('the split quick start', () => {
  let program: QuickstartProgram;
  beforeAll(async () => {
    program = await QuickstartProgram.prepare({
      SWITCHYARD_INGRESS_REPLICAS: '2',
      KAFKA_BROKERS: process.env['KAFKA_BROKERS'],
      JAVA_HOME: process.env['JAVA_HOME'],
    });
  });
  afterAll(() => program.remove(), 90_000);

  it(
    'answers at every ingress, starts a killed service again, and stops all of its processes',
    async () => {
      const { child, exited, contract } = await program.start(START_TIMEOUT_MS, '--split');
      expect(Object.fromEntries(Object.entries(contract.processes).map(([target, pids]) => [target, pids.length]))).toEqual({
        worker: 1,
        billing: 1,
        analytics: 1,
        router: 1,
        ingress: 2,
      });
      expect(contract.ingressUrls).toEqual([program.port, program.port + 1].map((port) => `http://127.0.0.1:${port}/api/v1`));
      for (const url of contract.ingressUrls) expect((await ask(contract, url)).status).toBe(200);

      // What requests leave behind is their owner's alone.
      const folders = ['ingress', 'worker', 'postgres', 'kafka'].filter((name) => existsSync(join(program.directory, name)));
      expect(folders.filter((name) => (statSync(join(program.directory, name)).mode & 0o077) !== 0)).toEqual([]);

      const killed = contract.processes['worker']![0]!;
      process.kill(killed, 'SIGKILL');
      const restarted = await eventually(() => {
        const pid = program.contract().processes['worker']![0]!;
        expect(pid).not.toBe(killed);
        return pid;
      });
      for (const url of contract.ingressUrls) await eventually(async () => expect((await ask(contract, url)).status).toBe(200), { timeoutMs: 60_000 });

      child.kill('SIGINT');
      expect(await exited).toBe(0);
      for (const pid of [...Object.values(contract.processes).flat(), restarted]) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
      expect(program.processes()).toEqual([]);
    },
    START_TIMEOUT_MS + 180_000,
  );

  it(
    'leaves nothing behind when it is killed, and starts again over its data, with fewer ingresses all the same',
    async () => {
      const first = await program.start(START_TIMEOUT_MS, '--split');
      const [, dying] = first.contract.processes['ingress']!;
      // Answered and written down, and not published yet.
      const answer = await ask(first.contract, first.contract.ingressUrls[1]!);
      process.kill(dying!, 'SIGKILL');
      first.child.kill('SIGKILL');
      program.environment['SWITCHYARD_INGRESS_REPLICAS'] = '1';
      const second = await program.start(START_TIMEOUT_MS, '--split');
      expect(second.contract.ingressUrls).toHaveLength(1);
      await eventually(async () => {
        const { status } = await call(second.contract.baseUrl, `/generation?id=${answer.headers['x-generation-id']}`, { key: second.contract.apiKey });
        expect(status).toBe(200);
      });
      expect(second.contract.apiKey).toBe(first.contract.apiKey);
      for (const pid of Object.values(first.contract.processes).flat()) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
      await eventually(async () => {
        const { body } = await call<{ data: { usage: number } }>(second.contract.baseUrl, '/key', { key: second.contract.apiKey });
        expect(body.data.usage).toBeGreaterThan(0);
      });
      second.child.kill('SIGINT');
      expect(await second.exited).toBe(0);
      expect(program.processes()).toEqual([]);
    },
    2 * START_TIMEOUT_MS,
  );

  // With a broker that is given, none is started here.
  if (!process.env['KAFKA_BROKERS'])
    it(
      'takes Kafka along where it is told to stop while that comes up',
      async () => {
        const starting = await QuickstartProgram.prepare({ JAVA_HOME: process.env['JAVA_HOME'] });
        const { child, exited, output } = starting.run('quickstart', '--split');
        await eventually(() => expect(existsSync(join(starting.directory, 'kafka', 'kafka.log'))).toBe(true), { timeoutMs: START_TIMEOUT_MS });
        child.kill('SIGINT');
        expect(await exited).toBe(0);
        expect(output()).not.toContain('Kafka is running');
        expect(starting.processes()).toEqual([]);
        await starting.remove();
      },
      START_TIMEOUT_MS,
    );
});

function ask({ apiKey, model }: QuickstartContract, url: string) {
  return call(url, '/chat/completions', { key: apiKey, body: { model, messages: [{ role: 'user', content: 'Hello' }] } });
}
