import { durationMs, loadConfig } from '@switchyard/config';
import { UsageError } from '../targets.js';
import { ChatFailure, sendBilledChat, type BilledChat } from './billed-chat.js';
import { commandConfig } from './command.config.js';
import { demoKeys } from './demo-account-command.js';
import { parseFlags } from './parse-flags.js';

const USAGE =
  'Usage: chat --base-url=<http://host:port/api/v1> --model=<slug> [--key=<key> | --demo-account] [--message=<text>] [--timeout=60s]; without --key the key is SWITCHYARD_API_KEY.';
const DEFAULT_MESSAGE = 'say 20 words';
const DEFAULT_TIMEOUT = '60s';

interface ChatArguments {
  readonly baseUrl: string;
  readonly model: string;
  readonly key: string | undefined;
  readonly usesDemoAccount: boolean;
  readonly message: string;
  readonly timeoutMs: number;
}

/**
 * `chat`: sends one streamed chat to a running gateway and waits until it is charged; exit code 1 and one sentence when something is amiss. With
 * `--demo-account` the key is that of the demo account, made through billing when it is missing.
 */
export async function chatCommand(commandArguments: readonly string[]): Promise<number> {
  const { key, usesDemoAccount, ...chat } = parseChatArguments(commandArguments);
  const apiKey = usesDemoAccount ? (await demoKeys()).apiKey : (key ?? loadConfig(commandConfig).apiKey);
  if (apiKey === undefined) throw new UsageError(USAGE);
  try {
    process.stdout.write(`${sentenceOf(await sendBilledChat({ ...chat, apiKey }))}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof ChatFailure)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

const text = { type: 'string' } as const;
const OPTIONS = { 'base-url': text, model: text, key: text, message: text, timeout: text, 'demo-account': { type: 'boolean' } } as const;

/** @throws UsageError */
export function parseChatArguments(commandArguments: readonly string[]): ChatArguments {
  const { values } = parseFlags({ args: commandArguments, options: OPTIONS }, USAGE);
  const baseUrl = values['base-url'];
  const usesDemoAccount = values['demo-account'] ?? false;
  const timeoutMs = durationMs().safeParse(values.timeout ?? DEFAULT_TIMEOUT);
  const isKeyClear = values.key === undefined || !usesDemoAccount;
  if (baseUrl === undefined || !URL.canParse(baseUrl) || !values.model || !timeoutMs.success || !isKeyClear) throw new UsageError(USAGE);
  return { baseUrl, model: values.model, key: values.key, usesDemoAccount, message: values.message ?? DEFAULT_MESSAGE, timeoutMs: timeoutMs.data };
}

function sentenceOf({ generationId, costUsd, firstContentMs, durationMs: wholeMs }: BilledChat): string {
  const times = `first content after ${Math.round(firstContentMs)} ms, end after ${Math.round(wholeMs)} ms`;
  return `${generationId}: answered (${times}) and charged ${costUsd.toFixed(12).replace(/0+$/, '')} USD.`;
}
