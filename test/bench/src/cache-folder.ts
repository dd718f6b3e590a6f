import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the user's machine keeps what can be made again. */
export function cacheFolder(): string {
  const folder = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'switchyard', 'bench');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** The best figure of the floor on this machine, in requests a second; 0 before the first run. `machine` tells machines and Nodes apart. */
export class FloorRecord {
  private readonly file: string;

  constructor(
    private readonly machine: string,
    folder: string = cacheFolder(),
  ) {
    this.file = join(folder, 'floor.json');
  }

  best(): number {
    return this.read()[this.machine] ?? 0;
  }

  note(requestsPerSecond: number): void {
    if (requestsPerSecond <= this.best()) return;
    writeFileSync(this.file, JSON.stringify({ ...this.read(), [this.machine]: requestsPerSecond }, undefined, 2));
  }

  private read(): Record<string, number> {
    try {
      return JSON.parse(readFileSync(this.file, 'utf8')) as Record<string, number>;
    } catch {
      return {};
    }
  }
}
