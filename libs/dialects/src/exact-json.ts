import type { JsonValue } from '@switchyard/core';

/** What may be an integer that no double holds. */
const LONG_INTEGER = /[[:,\s-]\d{16}/;

const INTEGER = /^-?\d+$/;

/** TypeScript does not know it yet. */
const { rawJSON } = JSON as typeof JSON & { readonly rawJSON: (text: string) => object };

/** JSON whose integers beyond 2^53 are written again as they came: ids of 64 bits are such, and another id is another record. */
export function parseExactly(text: string): JsonValue {
  return (LONG_INTEGER.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text)) as JsonValue;
}

function keepDigits(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  const { source } = context ?? {};
  const isInexact = typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && INTEGER.test(source);
  return isInexact ? rawJSON(source) : value;
}
