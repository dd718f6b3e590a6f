import type { IncomingHttpHeaders } from 'node:http';
import { givenParameters, givenPreferences, namedModels, parseCompletionsRequest, type RequestLimits } from '@switchyard/api';
import { clientDialects } from '@switchyard/dialects';
import { readAttribution } from '../../core/attribution.js';
import type { GenerationRequest } from '../../core/generation-request.js';
import { chatRequestBound, promptTokensEstimate, promptTokensLeast } from '../../core/request-bound.js';
import { unservedWishes } from '../../core/unserved-wishes.js';
import { clientTraceparent } from '../../request-trace.js';
import type { InferenceRoute } from '../inference-route.js';
import { PLAIN_FEATURES } from '../plain-features.js';

const DIALECT = clientDialects['openai-chat'];
const NO_MEDIA = { imageCount: 0, fileCount: 0, audioCount: 0, videoCount: 0 };

/** `POST /completions`: the legacy text API; one prompt, answered by any chat model. */
export const completionsRoute: InferenceRoute = {
  path: '/completions',
  apiType: 'completions',
  dialect: DIALECT,
  read(bytes: Buffer, headers: IncomingHttpHeaders, limits: RequestLimits): GenerationRequest {
    const { body, request } = parseCompletionsRequest(bytes, limits);
    const [model, ...models] = namedModels(body);
    const maxOutputTokens = request.max_completion_tokens ?? request.max_tokens ?? undefined;
    const { tools } = body;
    // A prompt has no media; what else costs money may be asked for as in a chat.
    const bound = chatRequestBound(body, bytes, NO_MEDIA, Array.isArray(tools) ? tools.length : 0);
    const isStream = request.stream === true;
    return {
      apiType: 'completions',
      clientDialect: DIALECT.name,
      body: bytes,
      stream: isStream,
      echoUpstreamBody: false,
      routing: {
        model,
        models,
        provider: givenPreferences(request.provider),
        route: request.route ?? undefined,
        apiType: 'completions',
        stream: isStream,
        parameters: givenParameters(body),
        uses: PLAIN_FEATURES,
        promptTokensEstimate: promptTokensEstimate(bound),
        promptTokensLeast: promptTokensLeast(bound),
        maxOutputTokens,
        serviceTier: request.service_tier ?? undefined,
      },
      maxOutputTokens,
      bound,
      attribution: readAttribution(
        { user: request.user, sessionId: request.session_id, metadata: request.metadata, traceJson: request.trace ? JSON.stringify(request.trace) : undefined },
        headers,
      ),
      traceparent: clientTraceparent(headers['traceparent']),
      warnings: unservedWishes(body),
    };
  },
};
