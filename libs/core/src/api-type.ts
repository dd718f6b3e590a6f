/** What a request wants done, named after the public API that it came by; each client dialect offers some of them. */
export const API_TYPES = ['chat', 'completions', 'embeddings'] as const;
export type ApiType = (typeof API_TYPES)[number];
