import type { LoggerService } from '@nestjs/common';
import type { Logger } from '@switchyard/telemetry';

/** Nest's own warnings and errors in our log; its chatter about modules is left out. */
export function nestLogger(logger: Logger): LoggerService {
  return {
    log: () => undefined,
    warn: (message: unknown, ...context: unknown[]) => logger.warn(text(message), { component: text(context.at(-1)) }),
    error: (message: unknown, ...context: unknown[]) =>
      logger.error(text(message), { error: message instanceof Error ? message : undefined, component: text(context.at(-1)) }),
    fatal: (message: unknown) => logger.error(text(message)),
  };
}

function text(value: unknown): string {
  if (value instanceof Error) return value.message;
  return typeof value === 'string' ? value : 'nest';
}
