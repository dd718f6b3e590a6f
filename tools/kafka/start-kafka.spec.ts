import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PROGRAM = resolve(import.meta.dirname, 'start-kafka.mjs');

/** What Docker would be asked for: where it is, a broker that runs tells the rest in the suites for Kafka. */
describe('Kafka in a container', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'switchyard-kafka-'));
    writeFileSync(join(folder, 'docker'), `#!/bin/sh\n[ "$1" = info ] && exit 0\nprintf '%s\\n' "$@" > ${join(folder, 'asked')}\nexit 1\n`);
    chmodSync(join(folder, 'docker'), 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function volumeOf(dataFolder: string, port: number): string {
    const environment = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
    spawnSync(process.execPath, [PROGRAM, '--data-dir', join(folder, dataFolder), '--port', String(port)], { env: environment });
    expect(existsSync(join(folder, 'asked'))).toBe(true);
    const asked = readFileSync(join(folder, 'asked'), 'utf8').split('\n');
    const [volume, place] = asked[asked.indexOf('-v') + 1]!.split(':');
    expect(asked).toContain(`KAFKA_LOG_DIRS=${place}`);
    return volume!;
  }

  it('keeps its data in a volume, of which each data folder has one, whatever its port', () => {
    const volume = volumeOf('one/kafka', 19_092);
    expect(volumeOf('one/kafka', 19_093)).toBe(volume);
    expect(volumeOf('another/kafka', 19_092)).not.toBe(volume);
    rmSync(join(folder, 'one'), { recursive: true });
    expect(volumeOf('one/kafka', 19_092)).not.toBe(volume);
  });
});
