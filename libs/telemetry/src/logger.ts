/**
 * Fields that a log line may carry. A closed list: what is not in it is dropped, so that neither secrets nor what people
 * wrote to a model can slip into a log.
 */
export interface LogFields {
  readonly [name: string]: unknown;
}

/** Structured logger; the message is a short constant sentence, what varies goes into the fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** Put the cause into `fields.error`. */
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}
