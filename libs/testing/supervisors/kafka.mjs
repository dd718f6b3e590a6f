// Runs one throw-away Kafka node for the process that started this one, starts it again when it is killed, and takes it down when that process is gone.
// Arguments: a note about it that it removes in the end; as JSON what `startKafka` takes as `secure`, if anything. Prints one line of JSON with the brokers and the file that tells the node's process id.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka } from '../../../tools/kafka/start-kafka.mjs';

process.stdin.resume();
let isParentGone = false;
const parentGone = new Promise((resolve) =>
  process.stdin.once('close', () => {
    isParentGone = true;
    resolve();
  }),
);
const dataFolder = mkdtempSync(join(tmpdir(), 'switchyard-test-kafka-'));
const pidFile = join(dataFolder, 'pid');
const secure = process.argv[3] ? JSON.parse(process.argv[3]) : undefined;
let kafka = await startKafka({ dataFolder, secure }).catch((error) => {
  rmSync(dataFolder, { recursive: true, force: true });
  console.error(error.message);
  process.exit(1);
});
writeFileSync(pidFile, String(kafka.pid));
process.stdout.write(`${JSON.stringify({ brokers: kafka.brokers, pidFile })}\n`);
while (!isParentGone) {
  await Promise.race([parentGone, kafka.exited]);
  if (isParentGone) break;
  kafka = await startKafka({ dataFolder, port: kafka.port, controllerPort: kafka.controllerPort, secure });
  writeFileSync(pidFile, String(kafka.pid));
}
await kafka.kill();
rmSync(dataFolder, { recursive: true, force: true });
if (process.argv[2]) rmSync(process.argv[2], { force: true });
process.exit(0);
