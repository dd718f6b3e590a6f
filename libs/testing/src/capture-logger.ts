import type { LogFields, Logger } from '@switchyard/telemetry';

export interface CapturedLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: LogFields;
}

export interface CaptureLogger extends Logger {
  /** All lines so far, those of children included. */
  readonly lines: readonly CapturedLine[];
}

export function captureLogger(): CaptureLogger {
  const lines: CapturedLine[] = [];
  return { ...loggerInto(lines, {}), lines };
}

function loggerInto(lines: CapturedLine[], base: LogFields): Logger {
  const write = (level: CapturedLine['level']) => (message: string, fields?: LogFields) => {
    lines.push({ level, message, fields: { ...base, ...fields } });
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    child: (fields) => loggerInto(lines, { ...base, ...fields }),
  };
}
