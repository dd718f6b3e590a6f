import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { captureLogger, eventually, freePort, startSecureTestKafka, TestAuthority, type TestKafka } from '@switchyard/testing';
import type { ConsumedRecord } from '../event-log.js';
import { KafkaEventLog, type KafkaEventLogOptions } from './kafka-event-log.js';

const USERNAME = 'switchyard';
const PASSWORD = 'a-test-password';

describe('a broker that demands TLS, a certificate and a password', () => {
  const authority = new TestAuthority();
  const client = authority.issue({ commonName: 'switchyard' });
  let kafka: TestKafka;

  beforeAll(async () => {
    const port = await freePort();
    const { certificate, key } = authority.issue({ names: ['127.0.0.1'] });
    kafka = await startSecureTestKafka({ port, certificate, key, ca: authority.certificate, username: USERNAME, password: PASSWORD });
  }, 500_000);

  /** A publisher takes ten seconds to give up, so all of them begin at once. */
  let unheard: Record<'byStranger' | 'withoutCertificate' | 'inPlainText', Promise<void>>;
  beforeAll(() => {
    const sasl = { mechanism: 'plain' as const, username: USERNAME, password: PASSWORD };
    unheard = {
      byStranger: open({ ssl: { ...trusted, ca: new TestAuthority().certificate }, sasl }).publish([record('three')]),
      withoutCertificate: open({ ssl: { ca: authority.certificate }, sasl }).publish([record('four')]),
      inPlainText: open({ ssl: false }).publish([record('five')]),
    };
    // Their tests say what became of them, when their turn comes.
    for (const refusal of Object.values(unheard)) refusal.catch(() => undefined);
  });

  const logs: KafkaEventLog[] = [];
  afterAll(() => Promise.all(logs.map((log) => log.close())), 60_000);

  const trusted = { ca: authority.certificate, cert: client.certificate, key: client.key };
  const open = (connection: Pick<KafkaEventLogOptions, 'ssl' | 'sasl'>): KafkaEventLog => {
    const log = new KafkaEventLog({ ...kafka, clientId: 'test', logger: captureLogger(), partitionCount: 1, ...connection });
    logs.push(log);
    return log;
  };
  const record = (value: string) => ({ topic: 'secured', key: 'k', value, headers: {} });

  it('takes and gives events to who has all of them, and reads a password that changes at the next connection', async () => {
    let password = 'of yesterday';
    const sasl = Object.defineProperty({ mechanism: 'plain' as const, username: USERNAME, password }, 'password', { get: () => password, enumerable: true });
    const log = open({ ssl: trusted, sasl });
    await expect(log.publish([record('one')])).rejects.toThrow(/[Aa]uthentication/);
    password = PASSWORD;
    await eventually(() => log.publish([record('two')]), { timeoutMs: 30_000, intervalMs: 200 });
    const received: ConsumedRecord[] = [];
    const subscription = await log.subscribe({
      group: 'readers',
      topics: ['secured'],
      maxBatchSize: 10,
      handler: async (batch) => void received.push(...batch),
    });
    await eventually(() => expect(received.map(({ value }) => value)).toEqual(['two']), { timeoutMs: 30_000 });
    await subscription.close();
  }, 120_000);

  it('is believed only with a certificate of the authority', async () => {
    await expect(unheard.byStranger).rejects.toThrow(/certificate/);
  }, 120_000);

  it('turns away who shows no certificate, and who talks in plain text', async () => {
    await expect(unheard.withoutCertificate).rejects.toThrow();
    await expect(unheard.inPlainText).rejects.toThrow();
  }, 120_000);
});
