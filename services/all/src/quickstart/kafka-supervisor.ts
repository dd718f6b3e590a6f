// Runs the quick start's Kafka node for the process that started this one, and stops it when that one is gone. Its argument is the folder for its data.
// Prints one line of JSON: the brokers, or the problem.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PROGRAM_ROOT } from './data-directory.js';

interface KafkaNode {
  readonly brokers: readonly string[];
  readonly pid: number;
  kill(): Promise<void>;
}
interface KafkaStarter {
  startKafka(options: { dataFolder: string }): Promise<KafkaNode>;
}

const parentGone = new Promise<undefined>((resolve) => process.stdin.once('close', () => resolve(undefined)));
process.stdin.resume();
process.on('SIGINT', () => undefined);
try {
  const { startKafka } = (await import(pathToFileURL(join(PROGRAM_ROOT, 'tools', 'kafka', 'start-kafka.mjs')).href)) as KafkaStarter;
  const kafka = await startKafka({ dataFolder: process.argv[2] ?? '' });
  process.stdout.write(`${JSON.stringify({ brokers: kafka.brokers, pid: kafka.pid })}\n`);
  await parentGone;
  await kafka.kill();
  process.exit(0);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ problem: error instanceof Error ? error.message : String(error) })}\n`, () => process.exit(1));
}
