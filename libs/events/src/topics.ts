export const TOPICS = {
  generationCompleted: 'switchyard.generation-completed.v1',
  attemptCompleted: 'switchyard.attempt-completed.v1',
  deadLetter: 'switchyard.dead-letter.v1',
} as const;
