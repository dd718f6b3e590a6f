import type { billing } from '@switchyard/proto';
import type { CircuitBreakers, DeadlineSettings, RoutingPolicy } from '@switchyard/routing';

/** The key's policy, with this process's own evidence. */
export function routingPolicyOf(key: billing.Key, breakers: CircuitBreakers, deadlines: Partial<DeadlineSettings>): RoutingPolicy {
  return { breakers, deadlines, ...keyPolicyOf(key) };
}

/** What a decision made elsewhere has to know to come out as this process's own would. */
export function describedPolicyOf(
  key: billing.Key,
  breakers: Pick<CircuitBreakers, 'states'>,
  deadlines: Partial<DeadlineSettings>,
  nowMs: number,
): Record<string, unknown> {
  return { ...keyPolicyOf(key), deadlines, breakers: breakers.states(nowMs) };
}

/** What the key and its account add to a routing request. */
function keyPolicyOf(key: billing.Key): RoutingPolicy {
  const { account } = key;
  return {
    ...(key.allowedModels.length > 0 ? { allowedModels: key.allowedModels } : {}),
    ...(account && account.allowedProviders.length > 0 ? { allowedProviders: account.allowedProviders } : {}),
    ...(account && account.ignoredProviders.length > 0 ? { ignoredProviders: account.ignoredProviders } : {}),
    ...(account?.zdr ? { zdr: true } : {}),
  };
}
