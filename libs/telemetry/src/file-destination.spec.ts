import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger, fileDestination } from './index.js';

/** A device on which every write finds the disk full; Linux has it. */
const FULL = '/dev/full';

describe('a log in a file', () => {
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'switchyard-log-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is appended to in its folder, which is made', () => {
    const path = join(folder, 'logs', 'service.log');
    for (const message of ['first', 'second']) createLogger({ level: 'info', format: 'json', destination: fileDestination(path) }).info(message);
    expect(readFileSync(path, 'utf8')).toMatch(/"first"}\n.*"second"}\n$/);
  });

  it('sets a large one aside when it is opened', () => {
    const path = join(folder, 'large.log');
    writeFileSync(path, Buffer.alloc(20 * 1024 * 1024 + 1));
    fileDestination(path).write('new\n');
    expect(readFileSync(path, 'utf8')).toBe('new\n');
    expect(existsSync(`${path}.1`)).toBe(true);
  });

  if (existsSync(FULL))
    it('keeps nobody who logs from going on where the disk is full', () => {
      const logger = createLogger({ level: 'info', format: 'json', destination: fileDestination(FULL) });
      for (let count = 0; count < 1_000; count++) logger.warn('The disk is full', { detail: 'x'.repeat(2_000) });
    });
});
