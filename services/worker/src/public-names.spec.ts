import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { PublicNames } from './public-names.js';

const A = 1;

describe('names that customers write', () => {
  let server: Socket;

  afterEach(() => void server.close());

  /** A server of names that answers each question with what it is given, if anything. */
  async function serve(answer: (question: Buffer) => Buffer | undefined): Promise<PublicNames> {
    server = createSocket('udp4');
    server.on('message', (question, { port }) => {
      const reply = answer(question);
      if (reply) server.send(reply, port, '127.0.0.1');
    });
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
    return new PublicNames([`127.0.0.1:${server.address().port}`]);
  }

  /** RFC 1035: the question again, and an address of IPv4 where one is asked for. */
  function reply(question: Buffer, code = 0): Buffer {
    const end = question.indexOf(0, 12) + 5;
    const isFound = code === 0 && question.readUInt16BE(end - 4) === A;
    const head = Buffer.alloc(12);
    question.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(isFound ? 1 : 0, 6);
    const address = Buffer.from([0xc0, 12, 0, A, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
    return Buffer.concat([head, question.subarray(12, end), ...(isFound ? [address] : [])]);
  }

  it('have the addresses that the name servers tell', async () => {
    const names = await serve((question) => reply(question));
    expect(await names.resolve('pictures.example')).toEqual(['192.0.2.7']);
  });

  it('have the addresses of one family where nobody answers for the other', async () => {
    const names = await serve((question) => (question.readUInt16BE(question.indexOf(0, 12) + 1) === A ? reply(question) : undefined));
    expect(await names.resolve('pictures.example')).toEqual(['192.0.2.7']);
  });

  it('may be unknown', async () => {
    const names = await serve((question) => reply(question, 3));
    await expect(names.resolve('no-such-name.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it('keep no other name waiting while nobody answers for them', async () => {
    const names = await serve(() => undefined);
    const ends: string[] = [];
    const unanswered = Array.from({ length: 32 }, (_, index) =>
      names.resolve(`name-${index}.example`).catch((error: NodeJS.ErrnoException) => void ends.push(error.code ?? '')),
    );
    await lookup('localhost').then(() => ends.push('localhost'));
    expect(ends).toEqual(['localhost']);
    await Promise.all(unanswered);
    expect(ends.filter((end) => end === 'ETIMEOUT')).toHaveLength(32);
  });
});
