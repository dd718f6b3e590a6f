import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { codeOf } from './spool-lock.js';

export const ADOPTED = 'adopted-';
export const OWNERS_FILE = 'owners.json';

/** Something of a process is in it: records, or owners that wait to be told. */
export function looksLikeSpool(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).some((name) => isContent(name) || name === 'lock');
}

/** Adopted folders may hold folders that their owner had adopted itself; those come first. */
export function listAdopted(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name.startsWith(ADOPTED))
    .map((entry) => join(folder, entry.name))
    .flatMap((adopted) => [...listAdopted(adopted), adopted]);
}

/** Removes an adopted folder that nobody needs any more, and those above it that only existed for its sake. */
export function removeFinished(adopted: string): void {
  if (!basename(adopted).startsWith(ADOPTED) || !existsSync(adopted) || readdirSync(adopted).some(isContent)) return;
  rmSync(adopted, { recursive: true, force: true });
  removeFinished(dirname(adopted));
}

export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'ENOENT') throw error;
  }
}

function isContent(name: string): boolean {
  return name.endsWith('.segment') || name.startsWith(ADOPTED) || name === OWNERS_FILE;
}
