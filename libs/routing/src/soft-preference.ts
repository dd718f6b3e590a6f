import type { RequestFeatures } from './routing-request.js';
import type { RoutingEndpoint } from './routing-table.js';

export interface CapabilityPreference {
  readonly kept: readonly RoutingEndpoint[];
  /** Left out because another endpoint supports what these lack. */
  readonly unused: readonly { readonly endpoint: RoutingEndpoint; readonly lacks: string }[];
}

const NOTHING_UNUSED: CapabilityPreference['unused'] = [];

interface Capability {
  readonly name: string;
  isOf(endpoint: RoutingEndpoint): boolean;
}

const TOOLS = takes('tools');
const STRUCTURED_OUTPUTS = takes('structured_outputs');
const RESPONSE_FORMAT = takes('response_format');
const VERBOSITY = takes('verbosity');
/** The catalogue's sources do not name every endpoint that takes files: where it names none, the provider decides. */
const FILE_INPUT: Capability = { name: 'file input', isOf: ({ inputModalities }) => inputModalities.size === 0 || inputModalities.has('file') };

/**
 * The endpoints that support what the request uses, if there are any; else all. Unlike `require_parameters` this never
 * leaves a model without endpoints.
 */
export function preferCapable(endpoints: readonly RoutingEndpoint[], uses: RequestFeatures): CapabilityPreference {
  const wanted = wantedCapabilities(uses);
  if (wanted.length === 0) return { kept: endpoints, unused: NOTHING_UNUSED };
  let kept = endpoints;
  const unused: { endpoint: RoutingEndpoint; lacks: string }[] = [];
  for (const alternatives of wanted) {
    for (const capability of alternatives) {
      const supporting = kept.filter((endpoint) => capability.isOf(endpoint));
      if (supporting.length === 0) continue;
      for (const endpoint of kept) if (!supporting.includes(endpoint)) unused.push({ endpoint, lacks: capability.name });
      kept = supporting;
      break;
    }
  }
  return { kept, unused };
}

/** Per need what serves it, the best first. */
function wantedCapabilities(uses: RequestFeatures): (readonly Capability[])[] {
  const wanted: (readonly Capability[])[] = [];
  if (uses.files) wanted.push([FILE_INPUT]);
  if (uses.tools) wanted.push([TOOLS]);
  if (uses.responseFormat === 'json_schema') wanted.push([STRUCTURED_OUTPUTS, RESPONSE_FORMAT]);
  else if (uses.responseFormat !== undefined && uses.responseFormat !== 'text') wanted.push([RESPONSE_FORMAT]);
  if (uses.verbosity) wanted.push([VERBOSITY]);
  return wanted;
}

function takes(parameter: string): Capability {
  return { name: parameter, isOf: ({ supportedParameters }) => supportedParameters.size === 0 || supportedParameters.has(parameter) };
}
