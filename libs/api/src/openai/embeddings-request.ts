import { z } from 'zod';
import { contentPartSchema } from './chat-messages.js';
import { MAX_INPUTS } from '../request-limits.js';
import { gatewayShape } from './sampling-parameters.js';

/** What follows a wrong item of a list is not judged. */
const ENDS = { abort: true };
const tokens = z.array(z.int().nonnegative(ENDS)).min(1, ENDS);

/** Body of `POST /embeddings`: text, token ids, batches of either, or multimodal content. */
export const embeddingsRequestSchema = z.looseObject({
  ...gatewayShape,
  model: z.string().min(1).max(256),
  input: z.union([
    z.string().min(1),
    z.array(z.string()).min(1).max(MAX_INPUTS),
    tokens,
    z.array(tokens).min(1).max(MAX_INPUTS),
    z
      .array(z.looseObject({ content: z.array(contentPartSchema).min(1, ENDS) }))
      .min(1)
      .max(MAX_INPUTS),
  ]),
  dimensions: z.int().min(1).max(65_536).nullish(),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  input_type: z.string().nullish(),
});
export type EmbeddingsRequest = z.infer<typeof embeddingsRequestSchema>;
