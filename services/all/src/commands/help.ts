import { renderHelp } from '@switchyard/config';
import { configSections } from '../config-sections.js';

const COMMANDS = `Switchyard: one API in front of every LLM provider.

  serve [--target=a,b]         Run targets (ingress, router, worker, billing, analytics; all when not named).
                               --check-config and --print-config[=diff] answer and end instead.
  quickstart [--split] [--trace]
                               Everything with a database of its own, a demo account and keys;
                               --split: the five services as processes, over gRPC and Kafka;
                               --trace: shows every request as a waterfall: decision, attempts, first token, cost.
  simulate --catalog-file=<path>
                               Simulated providers, and the catalogue file that leads to them.
                               --host, --port, --advertised-host: where they are; --between-words: their pace in ms;
                               --catalog-only: the file alone.
  account create <account> --name=<name>
  account credit <account> --usd=<amount> --reference=<text> [--promotional]
  account key <account> --name=<name> [--management]
                               An account, its credit (once per reference) and its keys, at a running billing service.
  account update <account> [--requests-per-minute=<count>] [--tokens-per-minute=<count>] [--zdr=true|false]
                 [--allowed-providers=<a,b>] [--ignored-providers=<a,b>]
                               What holds for all keys of an account: what is not named stays, an empty value clears.
  demo-account [--json]        An account with demo credit and keys, at a running billing service.
  chat --base-url=<url> --model=<slug> [--key=<key> | --demo-account] [--message=<text>] [--timeout=60s]
                               Send one streamed chat and wait until it is charged; exit code 1 when it is not.
  migrate [--target=a,b]       Bring database schemas up to date and end.
  check-config [--target=a,b]  Name every problem of the configuration.
  print-config [--diff]        Show the configuration, or what differs from the defaults.
  ledger explain <generation> [--json]
                               How a charge came about: meters, prices, postings, lease, costs, margin.
  ledger verify [--json]       Check the whole ledger; exit code 1 when something does not hold.
  statement <account> <yyyy-mm> [--format=text|json|csv]
                               An account's month: opening balance, what moved it, closing balance.
  events replay                Offer events that could not be processed once more.
  events rewind --group=<billing|analytics>
                               Let a stopped service read all events that are kept once more, after a restore.
  analytics rebuild            Fill analytics' tables anew from the event log; analytics must be stopped.
  analytics erase --account=<id> (--user=<user> | --session=<id> | --generation=<id>)
                               Empty analytics' records of what clients said about a person.

Settings are environment variables:
`;

export async function helpText(): Promise<string> {
  return `${COMMANDS}\n${renderHelp(await configSections())}`;
}
