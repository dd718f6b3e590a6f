import { expect, it } from '@jest/globals';
import { SwitchyardError } from '@switchyard/errors';
import * as proto from '@switchyard/proto';
import type { CallOptions, MethodDefinition, Port } from '@switchyard/proto';
import { describePort } from './bindings.js';
import { firstMessage } from './stream-promises.js';

type Method = (request: unknown, options?: CallOptions) => Promise<unknown> | AsyncIterable<unknown>;
type Methods = Readonly<Record<string, Method>>;

const PORTS = Object.values<unknown>(proto).filter(isPort);
const NOTHING = Buffer.alloc(0);

/** How each method of the implementation behaves, for all ports alike. */
let behave: (method: MethodDefinition) => unknown;

it('has ports to hold to this', () => {
  expect(PORTS.map(({ name }) => name)).toEqual(expect.arrayContaining(['billing.KeyService', 'router.RouterService']));
});

for (const port of PORTS) {
  describePort(
    port,
    () => implementationOf(port),
    ({ port: bound, logger }) => {
      const call = async (name: string): Promise<unknown> => {
        const answer = bound[name]!(port.definition[name]!.requestDeserialize(NOTHING));
        return Symbol.asyncIterator in answer ? firstMessage(answer) : answer;
      };
      const methods = Object.keys(port.definition);

      it.each(methods)('%s answers', async (name) => {
        behave = (method) => method.responseDeserialize(NOTHING);
        expect(await call(name)).toEqual(port.definition[name]!.responseDeserialize(NOTHING));
      });

      it.each(methods)('%s tells expected errors with all that they say', async (name) => {
        behave = () => {
          throw new SwitchyardError('conflict', 'It is taken.', { metadata: { by: 'somebody' }, retryAfterMs: 7 });
        };
        await expect(call(name)).rejects.toMatchObject({ type: 'conflict', message: 'It is taken.', metadata: { by: 'somebody' }, retryAfterMs: 7 });
      });

      it.each(methods)('%s masks what nobody expected', async (name) => {
        behave = () => {
          throw new TypeError('the password is hunter2');
        };
        const error = await call(name).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(SwitchyardError);
        expect(error).toMatchObject({ type: 'server', message: expect.not.stringContaining('hunter2') });
        const { metadata } = error as SwitchyardError;
        expect(JSON.stringify(metadata)).not.toContain('hunter2');
        expect(logger.lines.at(-1)).toMatchObject({ level: 'error', fields: { errorId: metadata!['errorId'], method: `${port.name}/${name}` } });
      });
    },
  );
}

function isPort(value: unknown): value is Port<Methods> {
  return typeof value === 'object' && value !== null && 'token' in value && 'definition' in value;
}

function implementationOf({ definition }: Port<Methods>): Methods {
  async function* stream(method: MethodDefinition): AsyncGenerator<unknown, void, undefined> {
    yield behave(method);
  }
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]): [string, Method] => [
      name,
      method.responseStream ? () => stream(method) : () => Promise.resolve().then(() => behave(method)),
    ]),
  );
}
