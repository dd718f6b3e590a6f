import { base64SizeBytes, type MediaNote } from '@switchyard/core';

const PARAMETER = String.raw`;[\w.+=-]{1,100}`;
const MEDIA_TYPE = String.raw`([\w.+-]{1,64}\\?/[\w.+-]{1,64})`;
/** Up to the data, also inside JSON text, where a slash may be escaped. */
const DATA_URL_HEAD = new RegExp(String.raw`data:(?:${MEDIA_TYPE}(?:${PARAMETER}){0,4}|(?:${PARAMETER}){1,4}),`, 'g');
/** No word of any language is as long; a picture without its data URL is much longer. */
const MIN_BASE64_LENGTH = 512;

const BASE64 = charactersOf('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_');
const AROUND_URLS = charactersOf(' \t\r\n"\'<>()\\`');
const [SLASH, BACKSLASH, PADDING] = [47, 92, 61];

/** The text with a short description wherever it holds bytes: data URLs, and anything else in base64. */
export function leaveOutBinary(text: string): string {
  return leaveOutBase64(leaveOutDataUrls(text));
}

/** `[image/png of 24301 bytes left out]` */
export function mediaDescription({ modality, mediaType, sizeBytes }: MediaNote): string {
  return leftOut(mediaType ?? modality, sizeBytes);
}

/** Loops, because a regular expression has no room for megabytes. */
function leaveOutDataUrls(text: string): string {
  let shown = '';
  let from = 0;
  DATA_URL_HEAD.lastIndex = 0;
  for (let head = DATA_URL_HEAD.exec(text); head; head = DATA_URL_HEAD.exec(text)) {
    const begin = head.index + head[0].length;
    let end = begin;
    while (end < text.length && (!isOneOf(AROUND_URLS, text, end) || isEscapedSlash(text, end))) end++;
    shown += text.slice(from, head.index) + leftOut(head[1]?.replace('\\', '') ?? 'data', base64SizeBytes(text.slice(begin, end)));
    from = DATA_URL_HEAD.lastIndex = end;
  }
  return from === 0 ? text : shown + text.slice(from);
}

/** Looks at one character of every `MIN_BASE64_LENGTH`, since no run as long lies between two of them. */
function leaveOutBase64(text: string): string {
  let shown = '';
  let from = 0;
  for (let at = MIN_BASE64_LENGTH - 1; at < text.length; at += MIN_BASE64_LENGTH) {
    if (!isOneOf(BASE64, text, at)) continue;
    let begin = at;
    while (begin > from && isOneOf(BASE64, text, begin - 1)) begin--;
    let end = at + 1;
    while (end < text.length && isOneOf(BASE64, text, end)) end++;
    at = end - 1;
    if (end - begin < MIN_BASE64_LENGTH) continue;
    while (text.charCodeAt(end) === PADDING) end++;
    shown += text.slice(from, begin) + leftOut('base64', base64SizeBytes(text.slice(begin, end)));
    from = end;
    at = end - 1;
  }
  return from === 0 ? text : shown + text.slice(from);
}

function isEscapedSlash(text: string, index: number): boolean {
  return text.charCodeAt(index) === BACKSLASH && text.charCodeAt(index + 1) === SLASH;
}

function isOneOf(characters: Uint8Array, text: string, index: number): boolean {
  return characters[text.charCodeAt(index)] === 1;
}

function charactersOf(text: string): Uint8Array {
  const characters = new Uint8Array(128);
  for (let index = 0; index < text.length; index++) characters[text.charCodeAt(index)] = 1;
  return characters;
}

function leftOut(what: string, sizeBytes: number | undefined): string {
  return `[${what}${sizeBytes === undefined ? '' : ` of ${sizeBytes} bytes`} left out]`;
}
