import type { ShownChoice } from '@switchyard/core';
import { clientDialects, type ClientDialect, type ShownAnswer } from '@switchyard/dialects';
import type { worker } from '@switchyard/proto';
import {
  captureContent,
  gatheredCharacters,
  isContentAllowed,
  type CaptureLimits,
  type CapturedContent,
  type Content,
  type TracingConfig,
} from '@switchyard/telemetry';
import { clientDialectOf } from './core/exchange-input.js';
import { withoutSecret } from './core/attempt-errors.js';

/**
 * Prompt and answer of one attempt for its span: what the client sent, and what it was shown. Only where the deployment allows it and the key
 * asked for it. Whatever goes wrong in here, the attempt goes on.
 */
export class ContentCapture {
  private readonly limits: CaptureLimits;
  private readonly dialect: ClientDialect;
  private readonly shown: ShownAnswer;
  private isBroken = false;

  constructor(
    private readonly start: worker.StartFrame,
    { contentMaxBytes, contentAttributeMaxBytes }: TracingConfig,
  ) {
    this.limits = { maxSpanBytes: contentMaxBytes, maxAttributeBytes: contentAttributeMaxBytes };
    this.dialect = clientDialects[clientDialectOf(start)];
    this.shown = this.dialect.createShownAnswer(gatheredCharacters(this.limits));
  }

  /** SSE events that the client is sent. */
  addEvents(text: string): void {
    this.gather(() => this.shown.addEvents(text));
  }

  /** The whole answer that the client is sent, without its end. */
  addWhole(bytes: Uint8Array): void {
    this.gather(() => this.shown.addWhole(bytes));
  }

  /** `credential`: the operator's, which providers may repeat. */
  content(credential: string | undefined): CapturedContent {
    return captureContent({ request: this.request(), choices: this.choices() }, this.limits, (text) => withoutSecret(text, credential));
  }

  private request(): Content['request'] {
    const { body, apiType } = this.start;
    try {
      const parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8')) as Parameters<
        ClientDialect['parseChatRequest']
      >[0];
      return apiType === 'completions' ? this.dialect.parseCompletionRequest(parsed) : this.dialect.parseChatRequest(parsed);
    } catch {
      return undefined;
    }
  }

  private choices(): readonly ShownChoice[] {
    return this.isBroken ? [] : this.shown.choices;
  }

  private gather(add: () => void): void {
    if (this.isBroken) return;
    try {
      add();
    } catch {
      this.isBroken = true;
    }
  }
}

/** Undefined for an attempt whose content is nobody's business: nearly every one. */
export function beginContentCapture(config: TracingConfig, start: worker.StartFrame): ContentCapture | undefined {
  if (!start.captureContent || !isContentAllowed(config) || start.apiType === 'embeddings') return undefined;
  return new ContentCapture(start, config);
}
