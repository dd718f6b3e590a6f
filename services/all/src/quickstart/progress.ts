const FIRST_NOTE_MS = 1500;
const REPEATED_NOTE_MS = 5000;

/** Tells a person at a terminal what is going on: nothing about quick steps but that they are done, a line now and then about long ones. */
export class Progress {
  private readonly startTimeMs = performance.now();

  constructor(private readonly write: (text: string) => void = (text) => void process.stdout.write(`${text}\n`)) {}

  say(text: string): void {
    this.write(text);
  }

  /** Runs one step; `doing` reads like "starting the database", `done` like "The database is running". */
  async step<Result>(doing: string, done: string, work: () => Promise<Result>): Promise<Result> {
    const startTimeMs = performance.now();
    const note = (): void => this.write(`  … ${doing} (${seconds(performance.now() - startTimeMs)})`);
    let repeated: NodeJS.Timeout | undefined;
    const first = setTimeout(() => {
      note();
      repeated = setInterval(note, REPEATED_NOTE_MS);
    }, FIRST_NOTE_MS);
    try {
      const result = await work();
      this.write(`  ${done} (${seconds(performance.now() - startTimeMs)})`);
      return result;
    } finally {
      clearTimeout(first);
      clearInterval(repeated);
    }
  }

  get elapsed(): string {
    return seconds(performance.now() - this.startTimeMs);
  }
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
