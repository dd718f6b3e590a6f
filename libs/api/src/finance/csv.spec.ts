import { describe, expect, it } from '@jest/globals';
import { csvText } from './csv.js';

describe('csvText', () => {
  it.each(['=1+1', '+1', '-1+1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '\uff1d1+1', '\uff0b1', '\uff0d1', '\uff20SUM'])('lets no spreadsheet run %j', (text) => {
    const cell = csvText(['note'], [[text]]).slice('note\r\n'.length);
    expect(cell.replace(/^"/, '').startsWith("'")).toBe(true);
  });

  it('leaves amounts as they are, also negative ones', () => {
    expect(csvText(['amount'], [['-0.5'], ['-7'], ['1']])).toBe('amount\r\n-0.5\r\n-7\r\n1\r\n');
  });
});
