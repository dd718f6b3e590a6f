import { UsageError } from '../targets.js';

/** `events replay`: publishes dead letters again, to the topics they came from. */
export async function eventsCommand(commandArguments: readonly string[]): Promise<number> {
  if (commandArguments[0] !== 'replay') throw new UsageError('Usage: events replay.');
  throw new UsageError('events replay is not available yet.');
}
