import { z } from 'zod';
import { gatewayShape, samplingShape } from './sampling-parameters.js';

/** Body of the legacy `POST /completions`. One prompt; unknown parameters pass through. */
export const completionsRequestSchema = z.looseObject({
  ...gatewayShape,
  ...samplingShape,
  prompt: z.union([z.string(), z.array(z.string()).length(1, 'expected one prompt')]),
  max_completion_tokens: z.int().min(1).nullish(),
  suffix: z.string().nullish(),
  echo: z.boolean().nullish(),
  best_of: z.literal(1, 'only one completion per request is supported').nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
});
export type CompletionsRequest = z.infer<typeof completionsRequestSchema>;
