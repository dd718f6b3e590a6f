import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';

/** The path of a file that can be read now. */
export function readableFile(): z.ZodType<string> {
  return z
    .string()
    .transform((path, context) => {
      try {
        accessSync(path, constants.R_OK);
        if (!statSync(path).isDirectory()) return path;
        context.addIssue('cannot be read: it is a folder');
      } catch (error) {
        context.addIssue(`cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
      }
      return z.NEVER;
    })
    .describe('path of a file');
}

/** A secret, a token or a certificate that somebody else puts in place anew while the process runs: read at each use. */
export class RenewedFile {
  private last: string | undefined;

  constructor(private readonly path: string) {}

  /** What the file holds now, else what it held last; undefined when it could never be read. */
  content(): string | undefined {
    try {
      this.last = readFileSync(this.path, 'utf8');
    } catch {
      // The volume is away, or the file is just being replaced.
    }
    return this.last;
  }

  /** A password or token: what the file holds now, without the end of its line. @throws Error that names the file */
  async secret(): Promise<string> {
    const text = (await readFile(this.path, 'utf8')).trim();
    if (text === '') throw new Error(`${this.path} is empty`);
    return text;
  }
}
