import { eventIdTimeMs } from '@switchyard/core';
import { events } from '@switchyard/proto';
import type { EventRecord } from './event-log.js';
import { TOPICS } from './topics.js';

/** A record for the log; `source` names the process that wrote the event, such as `ingress/<instance>`. */
export function encodeGenerationCompleted(event: events.GenerationCompleted, source: string): EventRecord {
  return {
    topic: TOPICS.generationCompleted,
    key: event.generationId,
    value: JSON.stringify(events.GenerationCompleted.toJSON(event)),
    headers: envelope(event.eventId, TOPICS.generationCompleted, source, event.traceparent, event.tracestate),
    message: event,
  };
}

/** Unknown fields are ignored. Throws on text that is not JSON, or not an event. */
export function decodeGenerationCompleted(value: string): events.GenerationCompleted {
  const event = events.GenerationCompleted.fromJSON(parseObject(value));
  requireIds(event.eventId, event.generationId);
  return event;
}

/** The event of a record of the generations' topic, not to be changed. Throws as `decodeGenerationCompleted`. */
export function generationCompletedOf(record: EventRecord): events.GenerationCompleted {
  return (record.message as events.GenerationCompleted | undefined) ?? decodeGenerationCompleted(record.value);
}

/** As for generations; the key is the generation's id too. */
export function encodeAttemptCompleted(event: events.AttemptCompleted, source: string): EventRecord {
  return {
    topic: TOPICS.attemptCompleted,
    key: event.generationId,
    value: JSON.stringify(events.AttemptCompleted.toJSON(event)),
    headers: envelope(event.eventId, TOPICS.attemptCompleted, source, event.traceparent),
    message: event,
  };
}

/** Unknown fields are ignored. Throws on text that is not JSON, or not an event. */
export function decodeAttemptCompleted(value: string): events.AttemptCompleted {
  const event = events.AttemptCompleted.fromJSON(parseObject(value));
  requireIds(event.eventId, event.generationId);
  return event;
}

/** The event of a record of the attempts' topic, not to be changed. Throws as `decodeAttemptCompleted`. */
export function attemptCompletedOf(record: EventRecord): events.AttemptCompleted {
  return (record.message as events.AttemptCompleted | undefined) ?? decodeAttemptCompleted(record.value);
}

/** CloudEvents attributes in Kafka's binary mode, and the trace that the event belongs to, as W3C Trace Context names it. */
function envelope(eventId: string, type: string, source: string, traceparent: string, tracestate = ''): Record<string, string> {
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: eventId,
    ce_source: source,
    ce_type: type,
    ce_time: isoTime(eventIdTimeMs(eventId) ?? 0),
    'content-type': 'application/json',
  };
  if (traceparent !== '') headers['traceparent'] = traceparent;
  if (tracestate !== '') headers['tracestate'] = tracestate;
  return headers;
}

let lastSecondMs = -1;
let lastSecondText = '';

/** Many events share a second, and formatting a date costs as much as half an event. */
function isoTime(timeMs: number): string {
  const millisecond = timeMs % 1_000;
  if (timeMs - millisecond !== lastSecondMs) {
    lastSecondMs = timeMs - millisecond;
    lastSecondText = new Date(lastSecondMs).toISOString().slice(0, -4);
  }
  return `${lastSecondText}${String(millisecond).padStart(3, '0')}Z`;
}

function parseObject(value: string): object {
  const parsed: unknown = JSON.parse(value);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new TypeError('An event must be a JSON object.');
  return parsed;
}

function requireIds(eventId: string, generationId: string): void {
  if (eventId === '' || generationId === '') throw new TypeError('An event needs eventId and generationId.');
}
