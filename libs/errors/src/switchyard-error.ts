import { errorRow, type ErrorRow, type ErrorType } from './error-table.js';

export interface SwitchyardErrorOptions {
  /** Dynamic parts of the message, for machines. No secrets, no prompt content. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly retryAfterMs?: number;
  /** What an upstream itself called it. */
  readonly providerCode?: string;
  readonly upstreamStatus?: number;
  /** HTTP status where OpenRouter's differs from the table's row (for example 403 for a key of the wrong kind). */
  readonly httpStatus?: number;
  readonly cause?: unknown;
}

/** The only error that services throw on purpose; every other exception is masked outward. */
export class SwitchyardError extends Error {
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfterMs: number | undefined;
  readonly providerCode: string | undefined;
  readonly upstreamStatus: number | undefined;
  readonly httpStatus: number;

  constructor(
    readonly type: ErrorType,
    message: string,
    options: SwitchyardErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SwitchyardError';
    this.metadata = options.metadata;
    this.retryAfterMs = options.retryAfterMs;
    this.providerCode = options.providerCode;
    this.upstreamStatus = options.upstreamStatus;
    this.httpStatus = options.httpStatus ?? errorRow(type).httpStatus;
  }

  get row(): ErrorRow {
    return errorRow(this.type);
  }
}
