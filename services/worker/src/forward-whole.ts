import type { Exchange, ExchangeAnswer } from '@switchyard/dialects/provider';
import type { AttemptNotes } from './attempt-notes.js';
import type { AttemptSender } from './attempt-sender.js';
import type { ProviderCall } from './provider-call.js';

/** Whole answers leave in pieces of this size. */
const PIECE_BYTES = 32 * 1024;

/**
 * Reads all of an answer and sends it on in the client's dialect, as fast as the client takes it.
 * @throws SwitchyardError when it fails, is too large or cannot be read, or what the attempt was aborted with.
 */
export async function forwardWhole(exchange: Exchange, call: ProviderCall, sender: AttemptSender, notes: AttemptNotes, maxAnswerBytes: number): Promise<void> {
  const { contentType } = call;
  if (contentType !== '' && contentType !== 'application/json' && !/[/+]json$/.test(contentType)) throw call.wrongContentType(contentType);
  let answer: ExchangeAnswer;
  try {
    const bytes = await call.whole(maxAnswerBytes);
    call.onPaused();
    answer = exchange.readWhole(bytes);
  } catch (error) {
    notes.noteBrokenAnswer();
    throw error;
  }
  notes.noteAnswer(answer);
  if (answer.error !== undefined) throw call.failed(answer.error);
  const hasContent = answer.outputBytes > 0;
  if (hasContent) call.onContent();
  sender.noteWhole(answer.bytes);
  for (let offset = 0; offset < answer.bytes.byteLength; offset += PIECE_BYTES) {
    if (!sender.hasRoom) {
      call.onPaused();
      await sender.room();
    }
    sender.sendPiece(answer.bytes.subarray(offset, offset + PIECE_BYTES), hasContent, answer.nativeFinishReason ?? '');
  }
}
