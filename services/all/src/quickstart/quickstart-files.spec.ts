import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readContractFile, removeContractFile, writeContractFile, type ContractFile } from './contract-file.js';
import { SecretsFile } from './secrets-file.js';
import { claimDataDirectory } from './single-instance.js';

const CONTRACT: ContractFile = {
  baseUrl: 'http://127.0.0.1:8080/api/v1',
  apiKey: 'sk-sy-v1-a',
  managementKey: 'sk-sy-v1-b',
  accountId: 'demo',
  model: 'openai/gpt-4o-mini',
  processes: { ingress: [1] },
  ingressUrls: ['http://127.0.0.1:8080/api/v1'],
};

describe('the files of a quick start', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'switchyard-quickstart-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('writes the contract for its owner alone, and takes it away', () => {
    writeContractFile(folder, CONTRACT);
    expect(readContractFile(folder)).toEqual(CONTRACT);
    expect(statSync(join(folder, 'quickstart.json')).mode & 0o777).toBe(0o600);
    removeContractFile(folder);
    expect(readContractFile(folder)).toBeUndefined();
  });

  it('keeps secrets over a restart, for their owner alone', () => {
    const first = new SecretsFile(folder);
    first.save({ apiKey: 'sk-sy-v1-a' });
    expect(new SecretsFile(folder).value).toEqual({ postgresPassword: first.value.postgresPassword, apiKey: 'sk-sy-v1-a' });
    expect(statSync(join(folder, 'secrets.json')).mode & 0o777).toBe(0o600);
  });

  it('does not replace secrets that it cannot read', () => {
    writeFileSync(join(folder, 'secrets.json'), '{"postgresPassw');
    expect(() => new SecretsFile(folder)).toThrow(SyntaxError);
  });

  it('makes a folder that is missing, and says which setting is wrong when it cannot', () => {
    const missing = join(folder, 'new', 'folder');
    claimDataDirectory(missing)();
    expect(statSync(missing).mode & 0o777).toBe(0o711);
    writeFileSync(join(folder, 'file'), '');
    expect(() => claimDataDirectory(join(folder, 'file', 'below'))).toThrow(
      /^The data folder cannot be used: ENOTDIR.* Choose another with SWITCHYARD_DATA_DIR\.$/,
    );
  });

  it('says so where the system makes no folders', () => {
    expect(() => claimDataDirectory('/proc/switchyard/data')).toThrow(/^The data folder cannot be used: E[A-Z]+.* Choose another with SWITCHYARD_DATA_DIR\.$/);
  });

  it('gives a folder to one quick start, and not to a process id that is something else by now', () => {
    writeFileSync(join(folder, 'quickstart.pid'), '1\n');
    claimDataDirectory(folder)();
    const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    try {
      writeFileSync(join(folder, 'quickstart.pid'), `${other.pid}\n`);
      const release = claimDataDirectory(folder);
      expect(() => statSync(join(folder, 'quickstart.pid'))).not.toThrow();
      release();
    } finally {
      other.kill();
    }
    expect(() => statSync(join(folder, 'quickstart.pid'))).toThrow('ENOENT');
  });
});
