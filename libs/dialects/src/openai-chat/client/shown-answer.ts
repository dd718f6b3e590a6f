import {
  asArray,
  asNumber,
  asObject,
  asObjects,
  asString,
  isJsonObject,
  mediaNoteOf,
  type JsonObject,
  type MediaNote,
  type ShownChoice,
} from '@switchyard/core';
import type { ShownAnswer } from '../../client-dialect.js';
import { parseEventData } from '../../event-data.js';
import { mediaSourceOf } from '../../media.js';

type Growing<Shown> = { -readonly [Field in keyof Shown]: Shown[Field] };
type GrowingCall = Growing<ShownChoice['toolCalls'][number]>;
interface GrowingChoice extends Growing<ShownChoice> {
  readonly toolCalls: GrowingCall[];
  readonly media: MediaNote[];
}

const MAX_CHOICES = 128;
const MAX_PIECES = 1_024;
/** Texts of full length that are kept of one answer. */
const MAX_TEXTS = 8;

/** Puts together what our own renderings of an answer say: chunks or one whole object, of chat or of legacy completions. */
export class OpenaiChatShownAnswer implements ShownAnswer {
  private readonly byIndex = new Map<number, GrowingChoice>();
  private keptCharacters = 0;

  constructor(
    /** Of each text. */
    private readonly maxCharacters: number,
  ) {}

  get choices(): readonly ShownChoice[] {
    return [...this.byIndex].sort(([left], [right]) => left - right).map(([, choice]) => choice);
  }

  addEvents(text: string): void {
    for (const line of text.split('\n')) if (line.startsWith('data: {')) this.add(parseEventData(line.slice('data: '.length)));
  }

  addWhole(bytes: Uint8Array): void {
    this.add(parseEventData(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')));
  }

  private add(answer: JsonObject | undefined): void {
    for (const choice of asArray(answer?.['choices']) ?? []) if (isJsonObject(choice)) this.addChoice(choice);
  }

  private addChoice(choice: JsonObject): void {
    const shown = this.choiceAt(asNumber(choice['index']) ?? 0);
    if (!shown) return;
    // Legacy completions have their text, and perhaps reasoning, on the choice itself.
    const message = asObject(choice['delta']) ?? asObject(choice['message']) ?? choice;
    shown.text = this.longer(shown.text, message['content'] ?? message['text'] ?? asObject(message['audio'])?.['transcript']);
    shown.reasoning = this.longer(shown.reasoning, message['reasoning']);
    shown.refusal = this.longer(shown.refusal, message['refusal']);
    asObjects(message['tool_calls']).forEach((call, position) => this.addToolCall(shown.toolCalls, call, asNumber(call['index']) ?? position));
    for (const image of asObjects(message['images'])) addMedia(shown.media, asString(asObject(image['image_url'])?.['url']));
    shown.finishReason = asString(choice['finish_reason']) ?? shown.finishReason;
  }

  private choiceAt(index: number): GrowingChoice | undefined {
    let choice = this.byIndex.get(index);
    if (!choice && this.byIndex.size < MAX_CHOICES)
      this.byIndex.set(index, (choice = { reasoning: '', text: '', refusal: '', toolCalls: [], media: [], finishReason: '' }));
    return choice;
  }

  private addToolCall(calls: GrowingCall[], call: JsonObject, index: number): void {
    if (!Number.isInteger(index) || index < 0 || index > Math.min(calls.length, MAX_PIECES)) return;
    const known = (calls[index] ??= { id: '', name: '', arguments: '' });
    const definition = asObject(call['function']);
    known.id ||= asString(call['id']) ?? '';
    known.name ||= asString(definition?.['name']) ?? '';
    known.arguments = this.longer(known.arguments, definition?.['arguments']);
  }

  private longer(text: string, piece: unknown): string {
    if (typeof piece !== 'string' || text.length >= this.maxCharacters || this.keptCharacters >= MAX_TEXTS * this.maxCharacters) return text;
    const longer = (text + piece).slice(0, this.maxCharacters);
    this.keptCharacters += longer.length - text.length;
    return longer;
  }
}

function addMedia(media: MediaNote[], url: string | undefined): void {
  if (url !== undefined && media.length < MAX_PIECES) media.push(mediaNoteOf('image', mediaSourceOf(url)));
}
