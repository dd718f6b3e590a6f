import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The repository's folder. */
export const repositoryRoot = resolve(import.meta.dirname, '../..');

const TEXT = /\.(ts|mts|mjs|cjs|js|json|md|ya?ml|proto|sql|sh|txt|toml|tpl)$|(^|\/)(Dockerfile|LICENSE|\.[a-z]+(rc|ignore|config)?|run)$/;

/** Paths of everything committed or about to be, relative to the root; `within` limits them to folders. */
export function repositoryFiles(...within: string[]): string[] {
  const output = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z', '--', ...within], {
    cwd: repositoryRoot,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return [...new Set(output.split('\0'))].filter((file) => file !== '' && existsSync(join(repositoryRoot, file))).sort();
}

export function textFiles(...within: string[]): string[] {
  return repositoryFiles(...within).filter((file) => TEXT.test(file));
}

export function readText(file: string): string {
  return readFileSync(join(repositoryRoot, file), 'utf8');
}

/** `file:line: text` for each line that a pattern finds, for messages that lead to the place. */
export function linesMatching(files: readonly string[], pattern: RegExp, accept: (match: RegExpExecArray, file: string) => boolean = () => true): string[] {
  const found: string[] = [];
  for (const file of files) {
    const text = readText(file);
    if (!pattern.test(text)) continue;
    for (const [index, line] of text.split('\n').entries()) {
      const match = new RegExp(pattern.source, pattern.flags.replace('g', '')).exec(line);
      if (match && accept(match, file)) found.push(`${file}:${index + 1}: ${line.trim().slice(0, 160)}`);
    }
  }
  return found;
}
