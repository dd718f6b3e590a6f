import type { EventRecord } from '../event-log.js';

/** Before the first dispatch. `body` is the owner's own text, enough to write the generation's end after a crash (the event id that the end will use is part of it). */
export interface AcceptedRecord {
  readonly kind: 'accepted';
  readonly generationId: string;
  readonly body: string;
}

/** The one end of a generation. */
interface CompletedRecord {
  readonly kind: 'completed';
  readonly generationId: string;
  readonly event: EventRecord;
}

/** The socket took the last bytes of the answer (or there is nobody left to deliver to). Publication waits for it for a while. */
interface DeliveredRecord {
  readonly kind: 'delivered';
  readonly generationId: string;
}

/** One attempt's cost side; published as it is. */
interface AttemptRecord {
  readonly kind: 'attempt';
  readonly attemptId: string;
  readonly event: EventRecord;
}

export type SpoolRecord = AcceptedRecord | CompletedRecord | DeliveredRecord | AttemptRecord;
