import { base64SizeBytes, type MediaNote } from '@switchyard/core';

const PARAMETER = String.raw`;[\w.+=-]{1,100}`;
const MEDIA_TYPE = String.raw`([\w.+-]{1,64}\\?/[\w.+-]{1,64})`;
const DATA = String.raw`[^\s"'<>()\\` + '`]*';
/** A data URL wherever it stands, also inside JSON text, where a slash may be escaped. */
const DATA_URL = new RegExp(String.raw`data:(?:${MEDIA_TYPE}(?:${PARAMETER}){0,4}|(?:${PARAMETER}){1,4}),(${DATA}(?:\\/${DATA})*)`, 'gi');
/** No word of any language is as long; a picture without its data URL is much longer. */
const BASE64 = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{512,}={0,2}/g;

/** The text with a short description wherever it holds bytes: data URLs, and anything else in base64. */
export function leaveOutBinary(text: string): string {
  const plain = /data:/i.test(text) ? text.replace(DATA_URL, (_url, mediaType: string | undefined, data: string) => dataUrlNote(mediaType, data)) : text;
  return plain.length < 512 ? plain : plain.replace(BASE64, (data) => leftOut('base64', base64SizeBytes(data)));
}

/** `[image/png of 24301 bytes left out]` */
export function mediaDescription({ modality, mediaType, sizeBytes }: MediaNote): string {
  return leftOut(mediaType ?? modality, sizeBytes);
}

function dataUrlNote(mediaType: string | undefined, data: string): string {
  return leftOut(mediaType?.replace('\\', '') ?? 'data', base64SizeBytes(data));
}

function leftOut(what: string, sizeBytes: number | undefined): string {
  return `[${what}${sizeBytes === undefined ? '' : ` of ${sizeBytes} bytes`} left out]`;
}
