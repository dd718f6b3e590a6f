import type { CanonicalMessage, MessagePart } from '@switchyard/core';

/**
 * The API takes letters, digits, `_` and `-`, and no id twice in a conversation. Servers that number the calls of each answer, and clients that
 * do, begin anew with every turn: such a call gets a number behind its id, and its result the same.
 */
export function withUniqueCallIds(messages: readonly CanonicalMessage[]): readonly CanonicalMessage[] {
  const ids = new CallIds();
  return messages.map((message) => {
    if (message.role === 'system' || message.role === 'developer') return message;
    ids.begin(message.role);
    return { ...message, parts: message.parts.map((part) => withId(part, ids)) };
  });
}

function withId(part: MessagePart, ids: CallIds): MessagePart {
  if (part.kind === 'tool-call') return { ...part, id: ids.ofCall(part.id) };
  return part.kind === 'tool-result' ? { ...part, toolCallId: ids.ofResult(part.toolCallId) } : part;
}

class CallIds {
  private readonly taken = new Set<string>();
  /** Theirs by ours, of the calls of the last turn: calls of one id are answered in their order. */
  private readonly unanswered = new Map<string, string[]>();
  private lastRole: string | undefined;

  begin(role: string): void {
    if (role === 'assistant' && this.lastRole !== 'assistant') this.unanswered.clear();
    this.lastRole = role;
  }

  ofCall(id: string): string {
    const plain = allowed(id);
    let theirs = plain;
    for (let number = 2; this.taken.has(theirs); number++) theirs = `${plain}_${number}`;
    this.taken.add(theirs);
    this.unanswered.set(id, [...(this.unanswered.get(id) ?? []), theirs]);
    return theirs;
  }

  ofResult(id: string): string {
    const theirs = this.unanswered.get(id) ?? [];
    return (theirs.length > 1 ? theirs.shift() : theirs[0]) ?? allowed(id);
  }
}

function allowed(id: string): string {
  return id === '' ? 'call' : id.replaceAll(/[^a-zA-Z0-9_-]/g, '_');
}
