import type { IncomingHttpHeaders } from 'node:http';
import { parseChatRequest, type ParsedChatRequest, type RequestLimits } from '@switchyard/api';
import { clientDialects } from '@switchyard/dialects';
import type { RequestFeatures, RoutingRequest } from '@switchyard/routing';
import { readAttribution } from '../../core/attribution.js';
import type { GenerationRequest } from '../../core/generation-request.js';
import { chatRequestBound, promptTokensEstimate, promptTokensLeast } from '../../core/request-bound.js';
import type { RequestBound } from '../../core/reservation-bound.js';
import { unservedWishes } from '../../core/unserved-wishes.js';
import { clientTraceparent } from '../../request-trace.js';
import type { InferenceRoute } from '../inference-route.js';

const DIALECT = clientDialects['openai-chat'];

/** `POST /chat/completions`: OpenAI's shape with OpenRouter's extensions. */
export const chatCompletionsRoute: InferenceRoute = {
  path: '/chat/completions',
  apiType: 'chat',
  dialect: DIALECT,
  read(bytes: Buffer, headers: IncomingHttpHeaders, limits: RequestLimits): GenerationRequest {
    const parsed = parseChatRequest(bytes, limits);
    const body = parsed.isRewritten ? Buffer.from(JSON.stringify(parsed.body)) : bytes;
    const bound = chatRequestBound(parsed.body, bytes, parsed.counts, parsed.toolCount);
    return {
      apiType: 'chat',
      clientDialect: DIALECT.name,
      body,
      stream: parsed.isStream,
      echoUpstreamBody: parsed.mustEchoUpstreamBody && parsed.isStream,
      routing: routingRequest(parsed, bound),
      maxOutputTokens: parsed.maxOutputTokens,
      bound,
      attribution: readAttribution(parsed, headers),
      traceparent: clientTraceparent(headers['traceparent']),
      warnings: unservedWishes(parsed.body),
    };
  },
};

function routingRequest(parsed: ParsedChatRequest, bound: RequestBound): RoutingRequest {
  const [model, ...models] = parsed.models;
  return {
    model,
    models,
    provider: parsed.provider,
    route: parsed.route,
    apiType: 'chat',
    stream: parsed.isStream,
    parameters: parsed.parameters,
    uses: featuresOf(parsed),
    promptTokensEstimate: promptTokensEstimate(bound),
    promptTokensLeast: promptTokensLeast(bound),
    maxOutputTokens: parsed.maxOutputTokens,
    serviceTier: parsed.serviceTier,
  };
}

function featuresOf(parsed: ParsedChatRequest): RequestFeatures {
  const responseFormat = (parsed.body['response_format'] as { type?: string } | null | undefined)?.type;
  return {
    tools: parsed.toolCount > 0,
    responseFormat: responseFormat === 'text' ? undefined : responseFormat,
    verbosity: parsed.body['verbosity'] !== undefined && parsed.body['verbosity'] !== null,
    reasoning: (parsed.parameters.includes('reasoning') || parsed.parameters.includes('reasoning_effort')) && !isReasoningSwitchedOff(parsed),
    forbidsReasoning: parsed.reasoningEffort === 'none',
    images: parsed.counts.imageCount > 0,
    audio: parsed.counts.audioCount > 0,
    files: parsed.counts.fileCount > 0,
    video: parsed.counts.videoCount > 0,
    outputModalities: parsed.outputModalities?.filter((modality) => modality !== 'text') ?? [],
  };
}

/** Without naming an effort: an effort of `none` is told apart, because some models refuse it. */
function isReasoningSwitchedOff({ body }: ParsedChatRequest): boolean {
  const reasoning = body['reasoning'] as { enabled?: boolean | null; max_tokens?: number | null } | null | undefined;
  return reasoning?.enabled === false || reasoning?.max_tokens === 0;
}
