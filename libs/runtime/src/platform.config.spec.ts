import { describe, expect, it } from '@jest/globals';
import { checkConfig } from '@switchyard/config';
import { platformConfig } from './platform.config.js';

describe('addresses of other processes', () => {
  const problems = (env: string, text: string) => checkConfig([platformConfig], { [env]: text });
  const ADDRESSES = ['SWITCHYARD_ROUTER_ADDRESS', 'SWITCHYARD_WORKER_ADDRESS', 'SWITCHYARD_BILLING_ADDRESS', 'SWITCHYARD_ANALYTICS_ADDRESS'];

  it.each([...ADDRESSES, 'KAFKA_BROKERS'])('%s takes a host and a port each', (env) => {
    for (const address of ['billing:9090', 'a.b.svc.cluster.local:1, my_service:65535', '10.0.0.1:9090']) expect(problems(env, address)).toEqual([]);
  });

  it.each(ADDRESSES)('%s takes IPv6, too', (env) => {
    for (const address of ['[fd00::1]:9090', 'fd00::1:9090']) expect(problems(env, address)).toEqual([]);
  });

  it.each([...ADDRESSES, 'KAFKA_BROKERS'])('%s says of what nobody could reach what it must be', (env) => {
    const unusable = ['billing', ':9090', 'billing:', 'billing:0', 'billing:65536', 'http://billing:9090', 'dns:///billing:9090', 'billing:9090/', '[]:9090'];
    for (const address of unusable) {
      expect(problems(env, `good:9090, ${address}`)).toEqual([{ env, message: expect.stringContaining('must be host:port each, such as') }]);
    }
  });

  it('KAFKA_BROKERS takes no bare IPv6 address, which the driver cannot dial', () => {
    expect(problems('KAFKA_BROKERS', '[fd00::1]:9092')).toHaveLength(1);
  });
});
