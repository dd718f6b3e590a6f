import type OpenAI from 'openai';
import type { PopulationStatus, StreamKind, StreamOutcome, StreamRecord } from './stream-record.js';

/** Streams that an action may rely on have this long to go when it starts. */
const LONG_REST_MS = 60_000;
const LONG_MS = { least: 78_000, most: 92_000 };
const SHORT_MS = { least: 8_000, most: 55_000 };
const BACKGROUND_MS = { least: 1_000, most: 3_000 };
const PAUSE_MS = 500;
const BACKGROUND_PAUSE_MS = 200;
/** So many streams are opened at a time: a wave that no gateway would see at once. */
const OPENINGS_AT_A_TIME = 10;
const REST_AFTER_FAILURE_MS = 500;

interface OpenStream {
  readonly endsAtMs: number;
}

/** Keeps streamed chats open over OpenAI's client, and notes what became of each. */
export class StreamPopulation {
  readonly records: StreamRecord[] = [];
  private readonly open = new Map<number, OpenStream>();
  private readonly running = new Set<Promise<StreamRecord>>();
  private sequence = 0;
  private backgroundConcurrency = 0;
  private backgroundRunners = 0;

  constructor(
    private readonly client: OpenAI,
    private readonly model: string,
    private readonly log: (record: StreamRecord) => void,
  ) {}

  status(): PopulationStatus {
    const nowMs = Date.now();
    const outcomes: Record<StreamOutcome, number> = { whole: 0, cut: 0, wrong_text: 0, refused: 0 };
    for (const { outcome } of this.records) outcomes[outcome]++;
    return { nowMs, openCount: this.open.size, longCount: this.longCount(nowMs), outcomes };
  }

  /** Opens what is missing and resolves when `openCount` streams have begun, `longCount` of them with a minute and more to go. */
  async ensure(openCount: number, longCount: number, pauseMs = PAUSE_MS): Promise<PopulationStatus> {
    for (let round = 0; round < 40; round++) {
      const missingLong = Math.max(0, longCount - this.longCount(Date.now()));
      const missing = Math.max(missingLong, openCount - this.open.size);
      if (missing === 0) break;
      const kinds = Array.from({ length: Math.min(missing, OPENINGS_AT_A_TIME) }, (_, index): StreamKind => (index < missingLong ? 'long' : 'short'));
      await Promise.all(kinds.map((kind) => this.begin(kind, kind === 'long' ? LONG_MS : SHORT_MS, pauseMs)));
    }
    return this.status();
  }

  background(concurrency: number): PopulationStatus {
    this.backgroundConcurrency = concurrency;
    while (this.backgroundRunners < concurrency) void this.runBackground(this.backgroundRunners++);
    return this.status();
  }

  async finish(): Promise<PopulationStatus> {
    this.backgroundConcurrency = 0;
    while (this.running.size > 0) await Promise.all(this.running);
    return this.status();
  }

  private longCount(nowMs: number): number {
    return [...this.open.values()].filter(({ endsAtMs }) => endsAtMs - nowMs >= LONG_REST_MS).length;
  }

  private async runBackground(index: number): Promise<void> {
    while (index < this.backgroundConcurrency) {
      const { ended } = this.send('background', durationWithin(BACKGROUND_MS), BACKGROUND_PAUSE_MS);
      const { outcome } = await ended;
      if (outcome === 'refused') await new Promise((done) => setTimeout(done, REST_AFTER_FAILURE_MS));
    }
    this.backgroundRunners--;
  }

  /** Resolves when the stream has begun, or has ended without a beginning. */
  private async begin(kind: StreamKind, length: { least: number; most: number }, pauseMs: number): Promise<void> {
    const { begun, ended } = this.send(kind, durationWithin(length), pauseMs);
    await Promise.race([begun, ended]);
  }

  private send(kind: StreamKind, durationMs: number, pauseMs: number): { begun: Promise<void>; ended: Promise<StreamRecord> } {
    const begun = Promise.withResolvers<void>();
    const sequence = ++this.sequence;
    const ended = this.stream(sequence, kind, durationMs, pauseMs, begun.resolve).then((record) => {
      this.open.delete(sequence);
      this.running.delete(ended);
      this.records.push(record);
      this.log(record);
      return record;
    });
    this.running.add(ended);
    return { begun: begun.promise, ended };
  }

  private async stream(sequence: number, kind: StreamKind, durationMs: number, pauseMs: number, onBegun: () => void): Promise<StreamRecord> {
    const wordCount = Math.max(1, Math.round(durationMs / pauseMs));
    const expectedText = Array.from({ length: wordCount }, (_, index) => `word${index + 1}`).join(' ');
    const seen = { text: '', finishReason: '', generationId: '', costUsd: undefined as number | undefined };
    const startedAtMs = Date.now();
    const recorded = (outcome: StreamOutcome, detail?: string): StreamRecord => ({
      sequence,
      kind,
      startedAtMs,
      endedAtMs: Date.now(),
      outcome,
      ...(seen.generationId === '' ? {} : { generationId: seen.generationId }),
      ...(seen.costUsd === undefined ? {} : { costUsd: seen.costUsd }),
      ...(detail === undefined ? {} : { detail: detail.slice(0, 300) }),
    });
    try {
      const { data, response } = await this.client.chat.completions
        .create({
          model: this.model,
          stream: true,
          stream_options: { include_usage: true },
          user: `cluster-${sequence}`,
          messages: [{ role: 'user', content: `say ${wordCount} words ${pauseMs} ms apart` }],
        })
        .withResponse();
      seen.generationId = response.headers.get('x-generation-id') ?? '';
      for await (const chunk of data) {
        const content = chunk.choices[0]?.delta.content ?? '';
        if (content !== '' && seen.text === '') {
          this.open.set(sequence, { endsAtMs: Date.now() + wordCount * pauseMs });
          onBegun();
        }
        seen.text += content;
        seen.generationId ||= chunk.id;
        seen.finishReason ||= chunk.choices[0]?.finish_reason ?? '';
        seen.costUsd = (chunk.usage as { cost?: number } | null | undefined)?.cost ?? seen.costUsd;
      }
    } catch (error) {
      return recorded(seen.text === '' ? 'refused' : 'cut', reasonOf(error));
    }
    if (seen.finishReason === '' || seen.costUsd === undefined) return recorded('cut', `ended after ${seen.text.length} of ${expectedText.length} characters`);
    return seen.text === expectedText ? recorded('whole') : recorded('wrong_text', seen.text.slice(-100));
  }
}

function durationWithin({ least, most }: { least: number; most: number }): number {
  return least + Math.random() * (most - least);
}

function reasonOf(error: unknown): string {
  const names: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) names.push(`${cause.name}: ${cause.message}`);
  return names.join('; ') || String(error);
}
