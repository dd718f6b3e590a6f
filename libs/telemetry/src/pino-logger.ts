import { Writable } from 'node:stream';
import { pino, stdTimeFunctions, type DestinationStream, type Logger as PinoLogger } from 'pino';
import type { LogFields } from './log-fields.js';
import type { LogFormat, Logger, LogLevel } from './logger.js';
import { prettyLine } from './pretty-line.js';
import { safeLogFields, withoutSecrets } from './safe-log-fields.js';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** `pretty`: one line per message for people. */
  readonly format: LogFormat;
  /** Standard output when absent. */
  readonly destination?: DestinationStream | undefined;
}

export function createLogger(options: LoggerOptions): Logger {
  const output = options.destination ?? process.stdout;
  const destination = options.format === 'pretty' ? prettyDestination(output) : output;
  const settings = { level: options.level, base: {}, timestamp: stdTimeFunctions.isoTime, formatters: { level: (level: string) => ({ level }) } };
  return new SafeLogger(pino(settings, destination));
}

class SafeLogger implements Logger {
  constructor(private readonly pinoLogger: PinoLogger) {}

  debug(message: string, fields?: LogFields): void {
    if (this.pinoLogger.isLevelEnabled('debug')) this.write('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    if (this.pinoLogger.isLevelEnabled('info')) this.write('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.write('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.write('error', message, fields);
  }

  child(fields: LogFields): Logger {
    return new SafeLogger(this.pinoLogger.child(safeLogFields(fields)));
  }

  private write(level: LogLevel, message: string, fields: LogFields = {}): void {
    this.pinoLogger[level](safeLogFields(fields), withoutSecrets(message));
  }
}

function prettyDestination(output: DestinationStream): Writable {
  return new Writable({
    decodeStrings: false,
    write: (line: string | Buffer, _encoding, done) => {
      output.write(`${prettyLine(String(line))}\n`);
      done();
    },
  });
}
