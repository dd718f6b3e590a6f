import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFile } from './contract-file.js';

/** What the quick start has to remember between two starts. */
export interface Secrets {
  readonly postgresPassword: string;
  readonly apiKey?: string;
  readonly managementKey?: string;
  /** The broker keeps its port, under which it knows itself. */
  readonly kafkaPort?: number;
}

/** `<data dir>/secrets.json`, readable by its owner alone. */
export class SecretsFile {
  private readonly path: string;
  private secrets: Secrets;

  constructor(dataDirectory: string) {
    this.path = join(dataDirectory, 'secrets.json');
    this.secrets = this.read();
    this.save({});
  }

  get value(): Secrets {
    return this.secrets;
  }

  save(changes: Partial<Secrets>): void {
    this.secrets = { ...this.secrets, ...changes };
    writePrivateFile(this.path, `${JSON.stringify(this.secrets, undefined, 2)}\n`);
  }

  private read(): Secrets {
    try {
      return JSON.parse(readFileSync(this.path, 'utf8')) as Secrets;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return { postgresPassword: randomBytes(24).toString('base64url') };
    }
  }
}
