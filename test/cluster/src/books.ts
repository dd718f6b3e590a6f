import type { Databases } from './databases.js';
import type { Kubernetes } from './kubernetes.js';

/** One generation as billing has it. */
export interface BookedGeneration {
  readonly generationId: string;
  readonly chargePico: bigint;
  readonly flags: readonly string[];
  /** Transactions of the ledger that charge it. */
  readonly postingCount: number;
}

const GENERATIONS = `
  SELECT charges.generation_id, charge_pico, replace(flags::text, '|', ' '), coalesce(posted.count, 0)
    FROM billing.charges
    LEFT JOIN (SELECT generation_id, count(*) FROM billing.ledger_transactions WHERE kind = 'charge' GROUP BY 1) posted USING (generation_id)`;
const PROGRAM = ['/usr/local/bin/node', '/app/services/all/dist/main.js'];
const VERIFY_TIMEOUT_MS = 300_000;

/** Reads what was booked: past the platform in its database, and with the program's own command. */
export class Books {
  constructor(
    private readonly kubernetes: Kubernetes,
    private readonly databases: Databases,
  ) {}

  async generations(): Promise<BookedGeneration[]> {
    return (await this.query(GENERATIONS)).map(([generationId = '', chargePico = '0', flags = '', postingCount = '0']) => ({
      generationId,
      chargePico: BigInt(chargePico),
      flags: flags.split(',').filter((flag) => flag !== ''),
      postingCount: Number(postingCount),
    }));
  }

  /** Differences that `ledger verify` finds; throws when it does not run. */
  async verify(): Promise<{ readonly differences: readonly string[]; readonly transactionCount: string }> {
    const [ingress] = await this.kubernetes.readyPods('ingress');
    const { stdout, stderr } = await this.kubernetes.attemptExec(ingress!.metadata.name, [...PROGRAM, 'ledger', 'verify', '--json'], {
      timeoutMs: VERIFY_TIMEOUT_MS,
    });
    if (!stdout.trimStart().startsWith('{')) throw new Error(`ledger verify did not run: ${stderr.slice(0, 500)}`);
    const result = JSON.parse(stdout) as { differences: { check: string; subject: string; detail: string }[]; transactionCount: string };
    return {
      differences: result.differences.map(({ check, subject, detail }) => `${check}: ${subject}: ${detail}`),
      transactionCount: result.transactionCount,
    };
  }

  /** The demo account's key. */
  async demoKey(): Promise<string> {
    const [ingress] = await this.kubernetes.readyPods('ingress');
    const answer = await this.kubernetes.exec(ingress!.metadata.name, [...PROGRAM, 'demo-account']);
    const key = /^API key:\s+(\S+)$/m.exec(answer)?.[1];
    if (key === undefined) throw new Error('demo-account told no key');
    return key;
  }

  /** Rows of a query, as text. */
  async query(sql: string): Promise<string[][]> {
    const { kubernetes, superuser } = this.databases;
    const [postgres] = await kubernetes.pods('postgres');
    const login = [`--username=${superuser}`, '--dbname=switchyard'];
    const command = ['psql', ...login, '--no-psqlrc', '--tuples-only', '--no-align', '--set=ON_ERROR_STOP=1', '-c', sql];
    const text = await kubernetes.exec(postgres!.metadata.name, command);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('|'));
  }
}
