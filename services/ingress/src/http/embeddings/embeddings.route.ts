import type { IncomingHttpHeaders } from 'node:http';
import { givenPreferences, namedModels, parseEmbeddingsRequest, type RequestLimits } from '@switchyard/api';
import { clientDialects } from '@switchyard/dialects';
import { readAttribution } from '../../core/attribution.js';
import type { GenerationRequest } from '../../core/generation-request.js';
import { plainBytesOf, promptTokensEstimate } from '../../core/request-bound.js';
import { unservedWishes } from '../../core/unserved-wishes.js';
import { clientTraceparent } from '../../request-trace.js';
import type { InferenceRoute } from '../inference-route.js';
import { PLAIN_FEATURES } from '../plain-features.js';

const DIALECT = clientDialects['openai-chat'];

/** `POST /embeddings`: never streamed, priced by the prompt alone. */
export const embeddingsRoute: InferenceRoute = {
  path: '/embeddings',
  apiType: 'embeddings',
  dialect: DIALECT,
  read(bytes: Buffer, headers: IncomingHttpHeaders, limits: RequestLimits): GenerationRequest {
    const { body, request } = parseEmbeddingsRequest(bytes, limits);
    const [model, ...models] = namedModels(body);
    const bound = { textBytes: plainBytesOf(body, bytes).byteLength, imageCount: 0, hasTools: false, usesCacheControl: false };
    return {
      apiType: 'embeddings',
      clientDialect: DIALECT.name,
      body: bytes,
      stream: false,
      echoUpstreamBody: false,
      routing: {
        model,
        models,
        provider: givenPreferences(request.provider),
        apiType: 'embeddings',
        stream: false,
        parameters: [],
        uses: PLAIN_FEATURES,
        promptTokensEstimate: promptTokensEstimate(bound),
      },
      maxOutputTokens: undefined,
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
