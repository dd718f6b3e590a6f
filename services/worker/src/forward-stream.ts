import type { Exchange, ExchangeStream, UpstreamFailure } from '@switchyard/dialects/provider';
import { SwitchyardError } from '@switchyard/errors';
import type { AttemptNotes } from './attempt-notes.js';
import type { AttemptSender } from './attempt-sender.js';
import type { ProviderCall } from './provider-call.js';

/** A stream is read in steps of the window, yet never in smaller ones than this. */
const MIN_PULL_BYTES = 4 * 1024;

/**
 * Sends a streamed answer on, event by event, as fast as the client takes it.
 * @throws SwitchyardError when it fails before it is whole, or what the attempt was aborted with.
 */
export async function forwardStream(exchange: Exchange, call: ProviderCall, sender: AttemptSender, notes: AttemptNotes): Promise<void> {
  const { contentType } = call;
  if (contentType === 'application/json') throw await jsonInsteadOfStream(exchange, call);
  if (contentType !== '' && contentType !== 'text/event-stream') throw call.wrongContentType(contentType);
  let failure: UpstreamFailure | undefined;
  try {
    const stream = exchange.openStream();
    notes.noteStream(stream);
    failure = await forwardEvents(stream, call, sender, notes);
  } catch (error) {
    if (!notes.isAnswerWhole || !((call.abortError ?? error) instanceof SwitchyardError)) throw error;
    return;
  }
  if (failure === undefined) notes.noteStreamEnd();
  else if (!notes.isAnswerWhole || failure.isUnreadable !== true) throw call.failed(failure);
}

/** To the provider's last word, or to the failure that it reported. */
async function forwardEvents(stream: ExchangeStream, call: ProviderCall, sender: AttemptSender, notes: AttemptNotes): Promise<UpstreamFailure | undefined> {
  for (;;) {
    if (!sender.hasRoom) {
      call.onPaused();
      await sender.room();
    }
    const arrival = call.arrival();
    if (arrival !== undefined) await arrival;
    const end = advance(stream, call.take(Math.max(sender.bytesLeft, MIN_PULL_BYTES)), call, sender, notes);
    if (end !== undefined) return end.failure;
  }
}

/** Gives something once the stream is over. Not within the loop, which would keep the last text while it waits for the reader. */
function advance(
  stream: ExchangeStream,
  bytes: Uint8Array | undefined,
  call: ProviderCall,
  sender: AttemptSender,
  notes: AttemptNotes,
): { readonly failure: UpstreamFailure | undefined } | undefined {
  const progress = bytes === undefined ? stream.finish() : stream.push(bytes);
  const isNewFinish = notes.noteProgress(progress);
  if (progress.hasContent && notes.noteContent()) call.onContent();
  sender.sendEvents(progress, isNewFinish);
  if (notes.noteUsage(progress)) sender.sendUsage(false);
  if (progress.error !== undefined) return { failure: progress.error };
  if (progress.done) return { failure: undefined };
  if (bytes !== undefined) return undefined;
  if ('outcome' in progress && progress.outcome === 'finished') return { failure: undefined };
  throw call.cut();
}

/** Some providers report a failure as a plain JSON body with status 200. */
async function jsonInsteadOfStream(exchange: Exchange, call: ProviderCall): Promise<SwitchyardError> {
  const bytes = await call.unexpectedText();
  let failure;
  try {
    failure = exchange.readWhole(bytes).error;
  } catch {
    failure = undefined;
  }
  return failure === undefined ? call.wrongContentType('application/json') : call.failed(failure);
}
