import { describe, expect, it } from '@jest/globals';
import { openDoors } from './network-doors.mjs';

const labels = (component?: string) => ({ app: 'gateway', ...(component === undefined ? {} : { 'app.kubernetes.io/component': component }) });

const policy = (component: string | undefined, rules: object) => ({
  kind: 'NetworkPolicy',
  metadata: { name: component ?? 'default-deny' },
  spec: { podSelector: { matchLabels: labels(component) }, policyTypes: ['Ingress', 'Egress'], ...rules },
});
const denial = policy(undefined, {});
const toAddress = (cidr: string) => ({ egress: [{ to: [{ ipBlock: { cidr } }], ports: [{ port: 5432 }] }] });

describe('network policies open nothing to the world', () => {
  it('but the worker to the internet and the public API to clients', () => {
    const manifests = [
      denial,
      policy('worker', toAddress('0.0.0.0/0')),
      policy('ingress', { ingress: [{ ports: [{ port: 'http' }] }], egress: [{ to: [{ podSelector: {} }] }] }),
      policy('billing', toAddress('10.20.0.0/24')),
      policy('router', toAddress('fd12::/16')),
      policy('analytics', toAddress('169.254.20.10/32')),
      { kind: 'Deployment', metadata: { name: 'billing' }, spec: { template: { metadata: { labels: labels('billing') } } } },
    ];
    expect(openDoors(manifests)).toEqual([]);
  });

  it.each<[string, object]>([
    ['billing lets pods reach anybody at 5432', policy('billing', { egress: [{ ports: [{ port: 5432 }] }] })],
    ['billing lets pods reach 0.0.0.0/0 at 5432', policy('billing', toAddress('0.0.0.0/0'))],
    ['billing lets pods reach 10.0.0.0/7 at 5432', policy('billing', toAddress('10.0.0.0/7'))],
    ['billing lets pods reach 203.0.113.7/32 at 5432', policy('billing', toAddress('203.0.113.7/32'))],
    ['billing lets pods reach 169.254.0.0/16 at 5432', policy('billing', toAddress('169.254.0.0/16'))],
    ['billing lets pods reach ::/0 at 5432', policy('billing', toAddress('::/0'))],
    ['ingress lets pods reach anybody at any port', policy('ingress', { egress: [{}] })],
    ['billing lets anybody reach pods at grpc', policy('billing', { ingress: [{ ports: [{ port: 'grpc' }] }] })],
    ['ingress lets anybody reach pods at http, health', policy('ingress', { ingress: [{ ports: [{ port: 'http' }, { port: 'health' }] }] })],
  ])('says what is open: %s', (sentence, opened) => {
    expect(openDoors([denial, opened])).toEqual([sentence]);
  });

  it('and deny everything to every pod first', () => {
    const pod = { kind: 'Pod', metadata: { name: 'test', labels: labels('tools') } };
    expect(openDoors([policy('tools', {}), pod])).toEqual([]);
    expect(openDoors([policy('billing', {}), pod])).toEqual(['Pod test: no policy denies everything to its pods']);
    expect(openDoors([policy(undefined, { policyTypes: ['Ingress'] }), pod])).toEqual(['Pod test: no policy denies everything to its pods']);
  });
});
