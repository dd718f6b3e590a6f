import type { RequestFeatures } from './routing-request.js';
import type { RoutingEndpoint } from './routing-table.js';

export interface CapabilityPreference {
  readonly kept: readonly RoutingEndpoint[];
  /** Left out because another endpoint supports what these lack. */
  readonly unused: readonly { readonly endpoint: RoutingEndpoint; readonly lacks: string }[];
}

const NOTHING_UNUSED: CapabilityPreference['unused'] = [];

/**
 * The endpoints that support what the request uses, if there are any; else all. Unlike `require_parameters` this never
 * leaves a model without endpoints.
 */
export function preferCapable(endpoints: readonly RoutingEndpoint[], uses: RequestFeatures): CapabilityPreference {
  const wanted = wantedParameters(uses);
  if (wanted.length === 0) return { kept: endpoints, unused: NOTHING_UNUSED };
  let kept = endpoints;
  const unused: { endpoint: RoutingEndpoint; lacks: string }[] = [];
  for (const alternatives of wanted) {
    for (const parameter of alternatives) {
      const supporting = kept.filter((endpoint) => endpoint.supportedParameters.size === 0 || endpoint.supportedParameters.has(parameter));
      if (supporting.length === 0) continue;
      for (const endpoint of kept) if (!supporting.includes(endpoint)) unused.push({ endpoint, lacks: parameter });
      kept = supporting;
      break;
    }
  }
  return { kept, unused };
}

/** Per need the parameters that serve it, the best first. */
function wantedParameters(uses: RequestFeatures): (readonly string[])[] {
  const wanted: (readonly string[])[] = [];
  if (uses.tools) wanted.push(['tools']);
  if (uses.responseFormat === 'json_schema') wanted.push(['structured_outputs', 'response_format']);
  else if (uses.responseFormat !== undefined && uses.responseFormat !== 'text') wanted.push(['response_format']);
  if (uses.verbosity) wanted.push(['verbosity']);
  return wanted;
}
