import { z } from 'zod';

/** A text that is not empty. A list of empty ones is judged no further than its first. */
export const someText = z.string().min(1, { abort: true });
