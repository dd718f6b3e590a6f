import { open } from 'node:fs/promises';
import { SwitchyardError } from '@switchyard/errors';

const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** The operator's file on disk. Mounted files change by a swap of links, which no watch reports reliably: it is read anew. */
export class CatalogFileReader {
  constructor(readonly path: string) {}

  /** @throws SwitchyardError when it is not there, not readable or far too large. */
  async read(): Promise<string> {
    try {
      return await this.readWhole();
    } catch (error) {
      throw new SwitchyardError('precondition_failed', `The catalogue file cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }

  private async readWhole(): Promise<string> {
    const handle = await open(this.path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > FILE_BYTES_MAX) throw new Error(`${this.path} is larger than ${FILE_BYTES_MAX} bytes`);
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  }
}
