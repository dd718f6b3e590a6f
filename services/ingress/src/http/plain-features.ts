import type { RequestFeatures } from '@switchyard/routing';

/** A request of text alone. */
export const PLAIN_FEATURES: RequestFeatures = {
  tools: false,
  responseFormat: undefined,
  verbosity: false,
  reasoning: false,
  images: false,
  audio: false,
  files: false,
  video: false,
  outputModalities: [],
};
