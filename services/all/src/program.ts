import { ConfigError } from '@switchyard/config';
import { SwitchyardError } from '@switchyard/errors';
import { isStorageAway } from '@switchyard/grpc';
import { accountCommand } from './commands/account-command.js';
import { analyticsCommand } from './commands/analytics-command.js';
import { chatCommand } from './commands/chat-command.js';
import { checkConfigCommand, printConfigCommand } from './commands/config-commands.js';
import { demoAccountCommand } from './commands/demo-account-command.js';
import { eventsCommand } from './commands/events-command.js';
import { helpText } from './commands/help.js';
import { ledgerCommand } from './commands/ledger-command.js';
import { migrateCommand } from './commands/migrate-command.js';
import { serveCommand } from './commands/serve-command.js';
import { simulateCommand } from './commands/simulate-command.js';
import { statementCommand } from './commands/statement-command.js';
import { quickstartCommand } from './quickstart/quickstart-command.js';
import { UsageError } from './targets.js';

/** A command gets the arguments after its name and resolves to the process's exit code. */
export type Command = (commandArguments: readonly string[]) => Promise<number>;

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: serveCommand,
  migrate: migrateCommand,
  'check-config': checkConfigCommand,
  'print-config': printConfigCommand,
  quickstart: quickstartCommand,
  simulate: simulateCommand,
  account: accountCommand,
  'demo-account': demoAccountCommand,
  chat: chatCommand,
  ledger: ledgerCommand,
  statement: statementCommand,
  events: eventsCommand,
  analytics: analyticsCommand,
};

/** Commands that run until they are told to stop. */
const LASTING: ReadonlySet<string> = new Set(['serve', 'quickstart']);
let isLasting = false;

async function main(commandLine: readonly string[]): Promise<number> {
  const [first = '', ...rest] = commandLine;
  if (first === '' || first === 'help' || commandLine.includes('--help')) {
    process.stdout.write(`${await helpText()}\n`);
    return 0;
  }
  // `switchyard --target=router` is short for `switchyard serve --target=router`.
  const [name, commandArguments] = first.startsWith('--') ? ['serve', commandLine] : [first, rest];
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new UsageError(`There is no command "${name}"; try "help".`);
  isLasting = LASTING.has(name);
  return command(commandArguments);
}

/** What the system refused, folders and ports above all: its message names them. */
const SYSTEM_REFUSAL = /\b(EACCES|EPERM|EROFS|ENOSPC|ENOTDIR|EISDIR|EADDRINUSE|EADDRNOTAVAIL|ENOENT: .*, mkdir)\b/;

/** What people can act on is told in its own words; everything else with its stack. */
function explain(error: unknown): { text: string; exitCode: number } {
  if (error instanceof UsageError) return { text: error.message, exitCode: 2 };
  if (error instanceof ConfigError || error instanceof SwitchyardError) return { text: error.message, exitCode: 1 };
  if (isStorageAway(error))
    return { text: `The database cannot be reached: ${error instanceof Error && error.message !== '' ? error.message : String(error)}`, exitCode: 1 };
  if (error instanceof Error && SYSTEM_REFUSAL.test(error.message)) return { text: `The system refused: ${error.message}`, exitCode: 1 };
  return { text: error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode: 1 };
}

// Whoever read what we say may be gone, as `tee` is after Ctrl-C and a terminal that was closed, or the disk of the log is full: no reason to leave anything
// half done. Where what we say is all that was asked for, it failed.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!isLasting && error.code !== 'EPIPE') throw error;
  });
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const { text, exitCode } = explain(error);
  process.stderr.write(`${text}\n`, () => process.exit(exitCode));
}
