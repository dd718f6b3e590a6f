import { describe, expect, it } from '@jest/globals';
import { createLogger, type LogFields, type LogFormat } from './index.js';

function capture(format: LogFormat = 'json'): { lines: string[]; logger: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', format, destination: { write: (line: string) => void lines.push(line) } });
  return { lines, logger };
}

describe('createLogger', () => {
  it('writes one JSON object per line with the fields of its parents', () => {
    const { lines, logger } = capture();
    logger.child({ target: 'billing' }).info('Consumed', { count: 3, amountPico: 12n });
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'info', target: 'billing', msg: 'Consumed', count: 3, amountPico: '12' });
  });

  it('drops fields that are not on the list', () => {
    const { lines, logger } = capture();
    logger.info('Request', { count: 1, prompt: 'a private thought', authorization: 'x' } as LogFields);
    expect(lines[0]).not.toContain('private thought');
    expect(Object.keys(JSON.parse(lines[0]!) as object)).not.toContain('authorization');
  });

  it('blots secrets out of messages, errors and their causes', () => {
    const { lines, logger } = capture();
    const secret = 'sk-sy-v1-0123456789abcdefghij';
    logger.error(`Failed with ${secret}`, {
      error: new Error(`refused ${secret}`, { cause: new Error('Bearer abcdefgh and postgres://user:pass@host/db') }),
      detail: secret,
    });
    expect(lines.join('')).not.toMatch(/0123456789abcdefghij|abcdefgh and|user:pass/);
    expect(lines.join('')).toContain('refused <secret>');
  });

  it('respects the level', () => {
    const { lines, logger } = capture();
    logger.debug('Detail');
    expect(lines).toEqual([]);
  });

  it('writes one line for people in the pretty format', () => {
    const { lines, logger } = capture('pretty');
    logger.child({ target: 'router' }).warn('Table is old', { ageMs: 5 });
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d warn {2}router {4}Table is old ageMs=5\n$/);
  });
});
