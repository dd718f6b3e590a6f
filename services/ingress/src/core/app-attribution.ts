import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';

/** The app a request came from, as its headers tell; empty when they do not. */
export interface AppAttribution {
  /** `HTTP-Referer`, else `Referer`: the app's address and identity. */
  readonly referer: string;
  readonly title: string;
  readonly categories: readonly AppCategory[];
}

/** Categories that an app may name; others vanish silently. */
const APP_CATEGORIES = [
  'cli-agent',
  'ide-extension',
  'cloud-agent',
  'programming-app',
  'native-app-builder',
  'creative-writing',
  'video-gen',
  'image-gen',
  'audio-gen',
  'writing-assistant',
  'general-chat',
  'personal-agent',
  'legal',
  'roleplay',
  'game',
] as const;
export type AppCategory = (typeof APP_CATEGORIES)[number];

const MAX_CATEGORIES = 2;
const MAX_REFERER_LENGTH = 2_048;
const MAX_TITLE_LENGTH = 200;
const KNOWN: ReadonlySet<string> = new Set(APP_CATEGORIES);
/** Addresses that name a machine of the developer's, not an app; they need a title to count as one. */
const LOCAL_REFERER = /^https?:\/\/(localhost|127(\.\d+){3}|\[::1\]|0\.0\.0\.0)([:/?#]|$)/i;

/** Reads `HTTP-Referer`, `X-OpenRouter-Title` (also `X-Title`) and `X-OpenRouter-Categories`. */
export function appAttribution(headers: IncomingHttpHeaders): AppAttribution {
  const referer = textOf(headers['http-referer'], MAX_REFERER_LENGTH) || textOf(headers['referer'], MAX_REFERER_LENGTH);
  const title = textOf(headers['x-openrouter-title'], MAX_TITLE_LENGTH) || textOf(headers['x-title'], MAX_TITLE_LENGTH);
  const isNamedApp = referer !== '' && !(LOCAL_REFERER.test(referer) && title === '');
  return { referer: isNamedApp ? referer : '', title, categories: categoriesOf(headers['x-openrouter-categories']) };
}

/** The first two that are known; what follows, and what nobody knows, is dropped. */
function categoriesOf(value: string | string[] | undefined): AppCategory[] {
  if (value === undefined) return [];
  const categories: AppCategory[] = [];
  for (const item of textOf(value, 1_024).split(',')) {
    const name = item.trim().toLowerCase();
    if (isCategory(name) && !categories.includes(name)) categories.push(name);
    if (categories.length === MAX_CATEGORIES) break;
  }
  return categories;
}

function isCategory(name: string): name is AppCategory {
  return KNOWN.has(name);
}

function textOf(value: string | string[] | undefined, maxLength: number): string {
  if (value === undefined) return '';
  const text = lettersOf(Array.isArray(value) ? value.join(',') : value);
  // Control characters would forge lines in exports.
  return text
    .replace(/\p{Cc}/gu, ' ')
    .trim()
    .slice(0, maxLength)
    .replace(HALF_LETTER, '');
}

/** What a cut leaves of a letter outside the basic plane. */
const HALF_LETTER = /[\uD800-\uDBFF]$/;
const BEYOND_ASCII = /[\u0080-\u00FF]/;

/** Node shows each byte of a header as one character; clients send names in UTF-8. */
function lettersOf(header: string): string {
  if (!BEYOND_ASCII.test(header)) return header;
  const bytes = Buffer.from(header, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : header;
}
