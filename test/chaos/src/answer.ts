import { eventsOf } from '@switchyard/test-platform';

/**
 * How an answer ended for its client. `whole`: complete, and exactly the text that the provider sent. `wrong_text`: complete by its form, with another text.
 * `cut_clean`: it ended as if it were complete, and is not. `typed_error`: an error inside of a stream. `refused`: a status with an error body. `reset`: the
 * connection broke. `unconnected`: nobody took the connection. `left`: the client hung up. `hung`: the client waited longer than anything may take.
 */
export type Outcome = 'whole' | 'wrong_text' | 'cut_clean' | 'typed_error' | 'refused' | 'reset' | 'unconnected' | 'left' | 'hung';
export const OUTCOMES: readonly Outcome[] = ['whole', 'wrong_text', 'cut_clean', 'typed_error', 'refused', 'reset', 'unconnected', 'left', 'hung'];

export interface Verdict {
  readonly outcome: Outcome;
  /** USD, as a whole answer states it. */
  readonly costUsd?: number;
  readonly detail?: string;
}

interface Chunk {
  readonly error?: unknown;
  readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[];
  readonly usage?: { readonly cost?: number } | null;
}

interface Body {
  readonly error?: { readonly message?: string; readonly metadata?: { readonly error_type?: string } };
  readonly choices?: readonly { readonly message?: { readonly content?: string | null } }[];
  readonly usage?: { readonly cost?: number };
}

/** A stream that ended without a reset. */
export function judgeStream(text: string, expectedText: string): Verdict {
  const chunks = eventsOf<Chunk>(text.slice(0, text.lastIndexOf('\n\n') + 2));
  const error = chunks.find((chunk) => chunk.error !== undefined)?.error;
  if (error !== undefined) return { outcome: 'typed_error', detail: JSON.stringify(error) };
  if (!text.endsWith('data: [DONE]\n\n')) return { outcome: 'cut_clean', detail: text.slice(-300) };
  const content = chunks.map((chunk) => chunk.choices?.[0]?.delta?.content ?? '').join('');
  return told(content, expectedText, chunks.findLast((chunk) => chunk.usage)?.usage?.cost);
}

/** A body that came with its full length. */
export function judgeWhole(status: number, text: string, expectedText: string): Verdict {
  const body = parsed(text);
  if (body === undefined) return { outcome: 'cut_clean', detail: `${status} ${text.slice(-300)}` };
  if (status !== 200) {
    const isTyped = body.error?.message !== undefined;
    return { outcome: isTyped ? 'refused' : 'cut_clean', detail: `${status} ${body.error?.metadata?.error_type ?? text.slice(0, 200)}` };
  }
  return told(body.choices?.[0]?.message?.content ?? '', expectedText, body.usage?.cost);
}

function told(content: string, expectedText: string, costUsd: number | undefined): Verdict {
  if (content !== expectedText) return { outcome: 'wrong_text', detail: `expected ${JSON.stringify(expectedText)}, got ${JSON.stringify(content)}` };
  return { outcome: 'whole', ...(costUsd === undefined ? {} : { costUsd }) };
}

function parsed(text: string): Body | undefined {
  try {
    return JSON.parse(text) as Body;
  } catch {
    return undefined;
  }
}
