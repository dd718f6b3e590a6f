import { Kubernetes } from './kubernetes.js';
import { RELEASE } from './release.js';
import { imageValues, type ClusterSettings } from './settings.js';

export type DatabasesKind = 'bundled' | 'external';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The Postgres and the Kafka of a run. Their pods and workloads are components `postgres` and `kafka`, whoever runs them. */
export interface Databases {
  readonly kind: DatabasesKind;
  /** The namespace that they are in. */
  readonly kubernetes: Kubernetes;
  /** As pods of the release call them. */
  readonly addresses: { readonly postgres: Address; readonly kafka: Address };
  /** A user of Postgres that may do anything. */
  readonly superuser: string;
  /** What the chart is told of them. */
  readonly values: Record<string, unknown>;
  /** Makes what has to be there before the release is. */
  start(): Promise<void>;
}

/** Those that the chart brings itself. */
export function bundledDatabases(settings: ClusterSettings): Databases {
  const { images, namespace, pullPolicy } = settings;
  const bundled = (image: string, memory: string) => ({
    enabled: true,
    image: imageValues(image, pullPolicy),
    persistence: { size: '1Gi' },
    resources: { requests: { cpu: '20m', memory } },
  });
  return {
    kind: 'bundled',
    kubernetes: new Kubernetes(settings, namespace),
    addresses: {
      postgres: { host: `${RELEASE}-postgres.${namespace}.svc`, port: 5432 },
      kafka: { host: `${RELEASE}-kafka.${namespace}.svc`, port: 9092 },
    },
    superuser: 'switchyard',
    values: { postgres: { bundled: bundled(images.postgres, '256Mi') }, kafka: { bundled: bundled(images.kafka, '512Mi') } },
    start: () => Promise.resolve(),
  };
}
