const OPEN = '<think>';
const CLOSE = '</think>';

export interface SplitText {
  readonly text: string;
  readonly reasoning: string;
}

/** Takes a leading `<think>…</think>` out of content that comes in pieces cut anywhere. */
export class ThinkTagSplitter {
  private state: 'start' | 'inside' | 'after' = 'start';
  private held = '';

  push(piece: string): SplitText {
    if (this.state === 'after') return { text: piece, reasoning: '' };
    this.held += piece;
    if (this.state === 'start') {
      const trimmed = this.held.trimStart();
      if (trimmed.length < OPEN.length && OPEN.startsWith(trimmed)) return { text: '', reasoning: '' };
      if (!trimmed.startsWith(OPEN)) return this.release('after');
      this.state = 'inside';
      this.held = trimmed.slice(OPEN.length).replace(/^\n/, '');
    }
    const close = this.held.indexOf(CLOSE);
    if (close === -1) return this.takeInside();
    const reasoning = this.held.slice(0, close);
    const text = this.held.slice(close + CLOSE.length).replace(/^\n+/, '');
    this.state = 'after';
    this.held = '';
    return { text, reasoning };
  }

  /** What was held back because it might have become a tag. */
  finish(): SplitText {
    const rest = this.held;
    const wasInside = this.state === 'inside';
    this.held = '';
    this.state = 'after';
    return wasInside ? { text: '', reasoning: rest } : { text: rest, reasoning: '' };
  }

  /** All but an end that may be the beginning of the closing tag. */
  private takeInside(): SplitText {
    let keep = Math.min(CLOSE.length - 1, this.held.length);
    while (keep > 0 && !CLOSE.startsWith(this.held.slice(-keep))) keep--;
    const reasoning = this.held.slice(0, this.held.length - keep);
    this.held = keep === 0 ? '' : this.held.slice(-keep);
    return { text: '', reasoning };
  }

  private release(state: 'after'): SplitText {
    const text = this.held;
    this.state = state;
    this.held = '';
    return { text, reasoning: '' };
  }
}
