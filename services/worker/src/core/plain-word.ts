const PLAIN_WORD = /^[\w.:/@+=|~-]{1,200}$/;

/**
 * A name or an id as a provider says it, for events, records and spans: providers may write anything, at any length, also what they were sent. Empty for what is
 * no single word.
 */
export function plainWord(text: string): string {
  return text === '' || PLAIN_WORD.test(text) ? text : '';
}
