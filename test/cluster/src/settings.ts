/** Where the suite runs and with which images; all of it from the environment, see docs/guides/cluster-e2e.md. */
export interface ClusterSettings {
  /** Undefined: kubectl's own default. */
  readonly kubeconfig: string | undefined;
  /** Namespace of the release; made, and removed at the end. The clients' and the providers' one has `-world` after it. */
  readonly namespace: string;
  readonly chart: string;
  /** References, `name:tag`. */
  readonly images: {
    readonly current: string;
    /** An earlier version, with fewer migrations and protocol fields. */
    readonly earlier: string;
    readonly client: string;
    readonly postgres: string;
    readonly kafka: string;
  };
  readonly pullPolicy: string;
  /** More values files for helm. */
  readonly valuesFiles: readonly string[];
  /** Files of Kubernetes objects that are in the release's namespace before it is installed: secrets that values name. */
  readonly objectFiles: readonly string[];
  readonly helm: string;
  readonly kubectl: string;
}

const DEFAULT_NAMESPACE = 'switchyard-e2e';

/** @throws Error that names every variable that is missing */
export function readSettings(environment: Readonly<Record<string, string | undefined>>, chart: string): ClusterSettings {
  const missing: string[] = [];
  const text = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const list = (name: string): string[] => (text(name) ?? '').split(',').filter((entry) => entry !== '');
  const required = (name: string): string => {
    const value = text(name);
    if (value === undefined) missing.push(name);
    return value ?? '';
  };
  const settings: ClusterSettings = {
    kubeconfig: text('SWITCHYARD_CLUSTER_KUBECONFIG') ?? text('KUBECONFIG'),
    namespace: text('SWITCHYARD_CLUSTER_NAMESPACE') ?? DEFAULT_NAMESPACE,
    chart,
    images: {
      current: required('SWITCHYARD_CLUSTER_IMAGE'),
      earlier: required('SWITCHYARD_CLUSTER_EARLIER_IMAGE'),
      client: required('SWITCHYARD_CLUSTER_CLIENT_IMAGE'),
      postgres: text('SWITCHYARD_CLUSTER_POSTGRES_IMAGE') ?? 'postgres:18-bookworm',
      kafka: text('SWITCHYARD_CLUSTER_KAFKA_IMAGE') ?? 'apache/kafka:4.1.1',
    },
    pullPolicy: text('SWITCHYARD_CLUSTER_PULL_POLICY') ?? 'IfNotPresent',
    valuesFiles: list('SWITCHYARD_CLUSTER_VALUES'),
    objectFiles: list('SWITCHYARD_CLUSTER_OBJECTS'),
    helm: text('HELM') ?? 'helm',
    kubectl: text('KUBECTL') ?? 'kubectl',
  };
  if (missing.length > 0)
    throw new Error(`Set ${missing.join(' and ')} (references of images that the cluster can pull or has); see docs/guides/cluster-e2e.md.`);
  return settings;
}

/** `registry/name:tag` as the chart's values want it. */
export function imageValues(reference: string, pullPolicy: string): { repository: string; tag: string; pullPolicy: string } {
  const colon = reference.lastIndexOf(':');
  if (colon <= reference.lastIndexOf('/')) throw new Error(`${reference} has no tag`);
  return { repository: reference.slice(0, colon), tag: reference.slice(colon + 1), pullPolicy };
}
