import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from '@jest/globals';
import type { SteadyLoad } from '@switchyard/test-platform';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { TEST_TIMEOUT_MS, type FaultSuite } from './alert-stage.js';

export const eventsSuite: FaultSuite = (stage) => {
  describe('events', () => {
    it(
      'analytics that cannot write down how endpoints do',
      () => stage().expectUnderLock('analytics.endpoint_measure', ['SwitchyardStatisticsStale', 'SwitchyardConsumerLags']),
      TEST_TIMEOUT_MS,
    );

    it(
      'one that nobody can read',
      async () => {
        const brokers = stage().platform.eventLog!.kafkaBrokers!.split(',');
        const kafka = new Kafka({ clientId: 'stranger', brokers, logLevel: logLevel.NOTHING });
        const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
        await producer.connect();
        await stage().expectUnder(
          ['SwitchyardDeadLetters', 'SwitchyardRecordsMissing'],
          () => producer.send({ topic: 'switchyard.generation-completed.v1', messages: [{ key: 'nonsense', value: 'nonsense' }] }),
          () => producer.disconnect(),
        );
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'a disk that refuses a spool',
      async () => {
        await using ingress = stage().furtherIngress();
        ingress.start();
        await ingress.serves();
        await stage().expectUnder(
          ['SwitchyardSpoolUnwritable'],
          async () => {
            ingress.limitFiles('0');
            await ingress.ask();
          },
          () => ingress.limitFiles('unlimited'),
        );
      },
      TEST_TIMEOUT_MS,
    );

    it(
      'an ingress that dies in the middle of a record',
      () =>
        stage().expectUnder(['SwitchyardSpoolTorn'], () => {
          const pids = stage().pidsOf('ingress');
          // Held first, so that it writes nothing over the half record.
          for (const pid of pids) process.kill(pid, 'SIGSTOP');
          for (const file of spoolSegments(stage().platform.dataDirectory)) appendFileSync(file, Buffer.from('half a record'));
          for (const pid of pids) process.kill(pid, 'SIGKILL');
        }),
      TEST_TIMEOUT_MS,
    );

    it(
      'a Kafka that is away while requests go on',
      async () => {
        let busy: SteadyLoad | undefined;
        const pid = Number(readFileSync(join(stage().platform.dataDirectory, 'kafka.pid'), 'utf8'));
        await stage().expectUnder(
          ['SwitchyardSpoolNotPublished', 'SwitchyardSpoolFilling', 'SwitchyardConsumerLagUnknown'],
          () => {
            process.kill(pid, 'SIGSTOP');
            busy = stage().steadyLoad(40);
          },
          async () => {
            process.kill(pid, 'SIGCONT');
            await busy?.stop();
          },
        );
      },
      TEST_TIMEOUT_MS,
    );
  });
};

function spoolSegments(dataDirectory: string): string[] {
  const files = readdirSync(dataDirectory, { recursive: true }).map(String);
  return files.filter((file) => /ingress\/spool\/.*\.segment$/.test(file)).map((file) => join(dataDirectory, file));
}
