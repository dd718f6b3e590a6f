import { describe, expect, it } from '@jest/globals';
import { houseViolations, podSpecsOf, restrictedViolations } from './pod-security.mjs';

type Spec = Record<string, unknown> & { containers: Record<string, unknown>[] };

const container = (changes: object = {}) => ({
  name: 'main',
  image: 'switchyard:1',
  resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '1Gi' } },
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true, ...changes },
});

const podSpec = (changes: object = {}): Spec => ({
  automountServiceAccountToken: false,
  securityContext: { runAsNonRoot: true, runAsUser: 1, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [container()],
  ...changes,
});

describe('the restricted Pod Security Standard', () => {
  it('holds for a pod that gives everything up', () => {
    expect(restrictedViolations(podSpec())).toEqual([]);
    expect(houseViolations(podSpec())).toEqual([]);
  });

  it.each<[string, Spec]>([
    ['hostNetwork is on', podSpec({ hostNetwork: true })],
    ['volume data is a hostPath', podSpec({ volumes: [{ name: 'data', hostPath: { path: '/' } }] })],
    ['runAsUser is 0', podSpec({ securityContext: { runAsNonRoot: true, runAsUser: 0, seccompProfile: { type: 'RuntimeDefault' } } })],
    [
      'sysctl kernel.msgmax=1 is not a safe one',
      podSpec({ securityContext: { ...(podSpec().securityContext as object), sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }),
    ],
    ['container main: it is privileged', podSpec({ containers: [container({ privileged: true })] })],
    ['container main: allowPrivilegeEscalation is not false', podSpec({ containers: [container({ allowPrivilegeEscalation: undefined })] })],
    ['container main: it does not drop ALL capabilities', podSpec({ containers: [container({ capabilities: { drop: ['NET_RAW'] } })] })],
    ['container main: it adds the capability NET_ADMIN', podSpec({ containers: [container({ capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } })] })],
    ['container main: runAsNonRoot is not true', podSpec({ securityContext: { seccompProfile: { type: 'RuntimeDefault' } } })],
    ['container main: runAsNonRoot is not true', podSpec({ containers: [container({ runAsNonRoot: false })] })],
    ['container main: its seccompProfile is neither RuntimeDefault nor Localhost', podSpec({ securityContext: { runAsNonRoot: true } })],
    ['container main: procMount is Unmasked', podSpec({ containers: [container({ procMount: 'Unmasked' })] })],
    ["container main: it takes the host's port 80", podSpec({ containers: [{ ...container(), ports: [{ containerPort: 80, hostPort: 80 }] }] })],
    [
      'container main: a probe or hook names a host',
      podSpec({ containers: [{ ...container(), livenessProbe: { httpGet: { host: 'example.com', port: 80 } } }] }),
    ],
  ])('names what breaks it: %s', (sentence, spec) => {
    expect(restrictedViolations(spec)).toEqual([sentence]);
  });

  it('looks at containers that start before the others, too', () => {
    expect(restrictedViolations(podSpec({ initContainers: [{ ...container({ privileged: true }), name: 'first' }] }))).toEqual([
      'container first: it is privileged',
    ]);
  });
});

describe('the rules for pods of the chart', () => {
  it.each<[string, Spec]>([
    ['it mounts a token of the Kubernetes API', podSpec({ automountServiceAccountToken: undefined })],
    ['its user is not a number', podSpec({ securityContext: {} })],
    ['container main: its root file system can be written', podSpec({ containers: [container({ readOnlyRootFilesystem: false })] })],
    ['container main: its image switchyard:latest has no version', podSpec({ containers: [{ ...container(), image: 'switchyard:latest' }] })],
    ['container main: its image registry:5000/switchyard has no version', podSpec({ containers: [{ ...container(), image: 'registry:5000/switchyard' }] })],
    ['container main: its memory has no limit', podSpec({ containers: [{ ...container(), resources: { requests: { cpu: '1', memory: '1Gi' } } }] })],
  ])('name what breaks them: %s', (sentence, spec) => {
    expect(houseViolations(spec)).toEqual([sentence]);
  });
});

it('finds the pods of everything that makes pods', () => {
  const spec = podSpec();
  const manifests = [
    { kind: 'Pod', metadata: { name: 'a' }, spec },
    { kind: 'Deployment', metadata: { name: 'b' }, spec: { template: { spec } } },
    { kind: 'CronJob', metadata: { name: 'c' }, spec: { jobTemplate: { spec: { template: { spec } } } } },
    { kind: 'Service', metadata: { name: 'd' }, spec: {} },
  ];
  expect(podSpecsOf(manifests).map(({ name }: { name: string }) => name)).toEqual(['Pod a', 'Deployment b', 'CronJob c']);
});
