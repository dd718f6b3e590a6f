export * from './chat-content.js';
export * from './chat-request.js';
export * from './chat-response.js';
export * from './embeddings.js';
export * from './json.js';
export * from './shown-choice.js';
