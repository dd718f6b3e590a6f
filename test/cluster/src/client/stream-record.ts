/**
 * How a streamed chat ended for its client. `whole`: complete, with the text that was asked for and its cost. `cut`: it began and broke off, whether by a
 * reset, an error in the stream or an end that came too early. `wrong_text`: complete by its form, with another text. `refused`: never began, also after
 * the SDK's own retries.
 */
export type StreamOutcome = 'whole' | 'cut' | 'wrong_text' | 'refused';

/** One streamed chat. Times are milliseconds since 1970 on the client's clock. */
export interface StreamRecord {
  readonly sequence: number;
  /** As long as an action may need it (`long`), for less (`short`), or one of those that always come and go (`background`). */
  readonly kind: StreamKind;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly outcome: StreamOutcome;
  readonly generationId?: string;
  /** USD, as the stream told it. */
  readonly costUsd?: number;
  readonly detail?: string;
}

export type StreamKind = 'long' | 'short' | 'background';

/** What the load client says of itself. */
export interface PopulationStatus {
  readonly nowMs: number;
  /** Streams of which the first content has come and the last has not. */
  readonly openCount: number;
  /** Of these, such with at least 60 s to go. */
  readonly longCount: number;
  readonly outcomes: Readonly<Record<StreamOutcome, number>>;
}

/** What the load client is asked for; see `StreamPopulation`. */
export type PopulationCommand =
  | { readonly command: 'status' }
  /** Opens what is missing of so many streams, and answers when all of them have begun. `pauseMs`: between words. */
  | { readonly command: 'ensure'; readonly openCount: number; readonly longCount: number; readonly pauseMs?: number }
  /** From now on so many short requests are under way at any time. */
  | { readonly command: 'background'; readonly concurrency: number }
  /** Opens nothing more, and answers when the last stream has ended. */
  | { readonly command: 'finish' }
  | { readonly command: 'records'; readonly from: number };
