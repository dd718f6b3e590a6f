/**
 * What a pod breaks of the Pod Security Standard `restricted`, and of the chart's own rules beyond it, in sentences. Written from the published standard of
 * Kubernetes 1.34 and complete for Linux pods.
 */

const VOLUME_TYPES = new Set(['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'persistentVolumeClaim', 'projected', 'secret']);
const SAFE_SYSCTLS = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
  'net.ipv4.ping_group_range',
]);
const SELINUX_TYPES = new Set([undefined, '', 'container_t', 'container_init_t', 'container_kvm_t', 'container_engine_t']);
const SECCOMP_TYPES = new Set(['RuntimeDefault', 'Localhost']);
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'];

const containersOf = (spec) => [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];

/** Sentences of what this pod spec breaks of `restricted`; empty when it holds. */
export function restrictedViolations(spec) {
  return [...podViolations(spec), ...containersOf(spec).flatMap((container) => containerViolations(container, spec.securityContext ?? {}))];
}

function podViolations(spec) {
  const context = spec.securityContext ?? {};
  const problems = ['hostNetwork', 'hostPID', 'hostIPC'].filter((field) => spec[field]).map((field) => `${field} is on`);
  if (context.windowsOptions?.hostProcess) problems.push('it is a host process');
  for (const { name, value } of context.sysctls ?? []) if (!SAFE_SYSCTLS.has(name)) problems.push(`sysctl ${name}=${value} is not a safe one`);
  if (context.runAsUser === 0) problems.push('runAsUser is 0');
  if (context.seccompProfile && !SECCOMP_TYPES.has(context.seccompProfile.type)) problems.push(`seccompProfile is ${context.seccompProfile.type}`);
  problems.push(...seLinuxViolations('the pod', context.seLinuxOptions));
  for (const volume of spec.volumes ?? []) {
    const type = Object.keys(volume).find((key) => key !== 'name') ?? 'emptyDir';
    if (!VOLUME_TYPES.has(type)) problems.push(`volume ${volume.name} is a ${type}`);
  }
  return problems;
}

function containerViolations(container, pod) {
  const context = container.securityContext ?? {};
  const problems = [];
  const add = (text) => problems.push(`container ${container.name}: ${text}`);
  if (context.privileged) add('it is privileged');
  if (context.allowPrivilegeEscalation !== false) add('allowPrivilegeEscalation is not false');
  if (!(context.capabilities?.drop ?? []).includes('ALL')) add('it does not drop ALL capabilities');
  for (const capability of context.capabilities?.add ?? []) if (capability !== 'NET_BIND_SERVICE') add(`it adds the capability ${capability}`);
  if ((context.runAsNonRoot ?? pod.runAsNonRoot) !== true) add('runAsNonRoot is not true');
  if (context.runAsUser === 0) add('runAsUser is 0');
  if (!SECCOMP_TYPES.has((context.seccompProfile ?? pod.seccompProfile)?.type)) add('its seccompProfile is neither RuntimeDefault nor Localhost');
  if (![undefined, 'Default'].includes(context.procMount)) add(`procMount is ${context.procMount}`);
  if (!['RuntimeDefault', 'Localhost', undefined].includes((context.appArmorProfile ?? pod.appArmorProfile)?.type)) add('its AppArmor profile is unconfined');
  for (const { hostPort } of container.ports ?? []) if (hostPort) add(`it takes the host's port ${hostPort}`);
  const handlers = [...PROBES.map((probe) => container[probe]), container.lifecycle?.postStart, container.lifecycle?.preStop];
  if (handlers.some((handler) => handler?.httpGet?.host || handler?.tcpSocket?.host)) add('a probe or hook names a host');
  problems.push(...seLinuxViolations(`container ${container.name}`, context.seLinuxOptions));
  return problems;
}

function seLinuxViolations(owner, options) {
  const problems = [];
  if (!SELINUX_TYPES.has(options?.type)) problems.push(`${owner}: its SELinux type is ${options.type}`);
  if (options?.user || options?.role) problems.push(`${owner}: it sets an SELinux user or role`);
  return problems;
}

/** Sentences of what this pod spec breaks of the chart's own rules. */
export function houseViolations(spec) {
  const problems = [];
  if (spec.automountServiceAccountToken !== false) problems.push('it mounts a token of the Kubernetes API');
  if (typeof spec.securityContext?.runAsUser !== 'number') problems.push('its user is not a number');
  for (const container of containersOf(spec)) {
    const { image = '', resources = {} } = container;
    const add = (text) => problems.push(`container ${container.name}: ${text}`);
    if (container.securityContext?.readOnlyRootFilesystem !== true) add('its root file system can be written');
    if (!/(:[\w.-]+|@sha256:[0-9a-f]{64})$/.test(image) || image.endsWith(':latest')) add(`its image ${image} has no version`);
    if (!resources.requests?.cpu || !resources.requests?.memory) add('it does not say what it needs');
    if (!resources.limits?.memory) add('its memory has no limit');
    if (resources.limits?.cpu) add('its CPU is throttled by a limit');
  }
  return problems;
}

/** Pod specs in rendered manifests, each with the name of what makes the pods. */
export function podSpecsOf(manifests) {
  return manifests.flatMap((manifest) => {
    const name = `${manifest.kind} ${manifest.metadata?.name}`;
    if (manifest.kind === 'Pod') return [{ name, spec: manifest.spec }];
    const spec = manifest.spec?.template?.spec ?? manifest.spec?.jobTemplate?.spec?.template?.spec;
    return spec?.containers ? [{ name, spec }] : [];
  });
}
