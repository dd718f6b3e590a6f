/** What NetworkPolicies open to the world, in sentences: the worker may reach the internet, the ingress may be reached by anybody, and nobody else. */
import { BlockList, isIPv6 } from 'node:net';

const COMPONENT = 'app.kubernetes.io/component';
const REACHES_OUT = new Set(['worker', 'all']);
const IS_REACHED = new Set(['ingress', 'all']);
const PUBLIC_PORT = 'http';
/** Networks that no router of the internet leads to, and the least length of a prefix in them: of link-local addresses single ones, such as a node's own DNS. */
const PRIVATE = [
  ['10.0.0.0', 8, 8],
  ['100.64.0.0', 10, 10],
  ['172.16.0.0', 12, 12],
  ['192.168.0.0', 16, 16],
  ['169.254.0.0', 16, 32],
  ['fc00::', 7, 7],
].map(([network, prefix, leastLength]) => {
  const family = familyOf(network);
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return { family, list, leastLength };
});

function familyOf(address) {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

function isPrivate(cidr) {
  const [address, length] = cidr.split('/');
  return PRIVATE.some(({ family, list, leastLength }) => family === familyOf(address) && Number(length) >= leastLength && list.check(address, family));
}

/** What a rule's peers open: `anybody`, addresses of the internet, or nothing of the kind (undefined). */
function worldOf(peers) {
  if (!peers?.length) return 'anybody';
  return peers.map(({ ipBlock }) => ipBlock?.cidr).find((cidr) => cidr !== undefined && !isPrivate(cidr));
}

const portsOf = ({ ports }) => (ports?.length ? ports.map(({ port }) => port) : ['any port']);

/** Sentences about doors that rendered policies should not open, and about the lack of one that denies everything to every pod. */
export function openDoors(manifests) {
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy');
  return [...policies.flatMap(doorsOf), ...undefendedPods(manifests, policies)];
}

function doorsOf({ metadata, spec }) {
  const component = spec.podSelector.matchLabels?.[COMPONENT];
  const out = (spec.egress ?? []).flatMap((rule) => {
    const world = REACHES_OUT.has(component) ? undefined : worldOf(rule.to);
    return world ? [`${metadata.name} lets pods reach ${world} at ${portsOf(rule).join(', ')}`] : [];
  });
  const into = (spec.ingress ?? []).flatMap((rule) => {
    const isPublic = IS_REACHED.has(component) && portsOf(rule).join() === PUBLIC_PORT;
    const world = isPublic ? undefined : worldOf(rule.from);
    return world ? [`${metadata.name} lets ${world} reach pods at ${portsOf(rule).join(', ')}`] : [];
  });
  return [...out, ...into];
}

/** Pods of a release whose labels no policy of both directions without rules selects. */
function undefendedPods(manifests, policies) {
  const denials = policies.filter(({ spec }) => spec.policyTypes?.length === 2 && !spec.ingress && !spec.egress);
  const isDenied = (labels) => denials.some(({ spec }) => Object.entries(spec.podSelector.matchLabels ?? {}).every(([name, value]) => labels[name] === value));
  return manifests.flatMap(({ kind, metadata, spec }) => {
    const labels = kind === 'Pod' ? metadata.labels : spec?.template?.metadata?.labels;
    return labels && !isDenied(labels) ? [`${kind} ${metadata.name}: no policy denies everything to its pods`] : [];
  });
}
