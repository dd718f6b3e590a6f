import { describe, expect, it } from '@jest/globals';
import { readText, repositoryFiles } from './repository-files.js';

const EXPORT = /^export (?:abstract )?(?:async )?(const|let|function\*?|class|interface|type) (\w+)/gm;
/** Whoever uses an export may have to name what it is made of. */
const TYPES = new Set(['interface', 'type']);

/** Names that something other than an import uses. */
const USED_FROM_OUTSIDE: readonly RegExp[] = [
  // Nest and the program find targets by their file.
  /^\w+Target$/,
];

describe('exports', () => {
  it('have a user: another file, or for a type its own', () => {
    const files = repositoryFiles('libs', 'services', 'test', 'tools').filter((file) => /\.(ts|mjs)$/.test(file) && !file.startsWith('libs/proto/src/gen/'));
    const texts = new Map(files.map((file) => [file, readText(file)]));
    const filesOfWord = new Map<string, number>();
    for (const text of texts.values()) {
      for (const word of new Set(text.match(/\b\w+\b/g) ?? [])) filesOfWord.set(word, (filesOfWord.get(word) ?? 0) + 1);
    }
    const unused: string[] = [];
    for (const [file, text] of texts) {
      if (!/^(libs|services)\/.*\.ts$/.test(file) || file.endsWith('.spec.ts')) continue;
      for (const [, kind = '', name = ''] of text.matchAll(EXPORT)) {
        const isUsed = (filesOfWord.get(name) ?? 0) > 1 || USED_FROM_OUTSIDE.some((pattern) => pattern.test(name));
        const isUsedHere = TYPES.has(kind) && (text.match(new RegExp(`\\b${name}\\b`, 'g')) ?? []).length > 1;
        if (!isUsed && !isUsedHere) unused.push(`${file}: ${name}`);
      }
    }
    expect(unused).toEqual([]);
  });
});
