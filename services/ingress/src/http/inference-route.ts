import type { IncomingHttpHeaders } from 'node:http';
import type { RequestLimits } from '@switchyard/api';
import type { ApiType } from '@switchyard/core';
import type { ClientDialect } from '@switchyard/dialects';
import type { GenerationRequest } from '../core/generation-request.js';

/** A public API that runs generations: it reads its own body and says which dialect answers. */
export interface InferenceRoute {
  /** Path below `/api/v1` and `/v1`. */
  readonly path: string;
  readonly apiType: ApiType;
  readonly dialect: ClientDialect;
  /** @throws SwitchyardError `invalid_request`. */
  read(body: Buffer, headers: IncomingHttpHeaders, limits: RequestLimits): GenerationRequest;
}
