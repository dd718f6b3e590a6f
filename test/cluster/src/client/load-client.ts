import { createServer } from 'node:http';
import OpenAI from 'openai';
import { Agent, fetch } from 'undici';
import { StreamPopulation } from './stream-population.js';
import type { PopulationCommand } from './stream-record.js';

/** On this pod's loopback; `control.js` gives commands there. */
const CONTROL_PORT = 8070;

// The program of the pod that sends load. Every record is also a line of JSON on standard output.
const environment = (name: string): string => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

// Each request comes over a connection of its own, as from many clients: connections that live on would never find new pods.
const dispatcher = new Agent({ pipelining: 0, headersTimeout: 0, bodyTimeout: 0 });
const client = new OpenAI({
  baseURL: environment('OPENAI_BASE_URL'),
  apiKey: environment('OPENAI_API_KEY'),
  fetch: fetch as unknown as typeof globalThis.fetch,
  fetchOptions: { dispatcher },
});
const population = new StreamPopulation(client, environment('MODEL'), (record) => process.stdout.write(`${JSON.stringify(record)}\n`));

async function obey(command: PopulationCommand): Promise<unknown> {
  switch (command.command) {
    case 'status':
      return population.status();
    case 'ensure':
      return population.ensure(command.openCount, command.longCount, command.pauseMs);
    case 'background':
      return population.background(command.concurrency);
    case 'finish':
      return population.finish();
    case 'records':
      return population.records.slice(command.from);
  }
}

createServer({ requestTimeout: 0 }, (request, response) => {
  void (async () => {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    const answer = await obey(JSON.parse(Buffer.concat(pieces).toString()) as PopulationCommand);
    response.end(JSON.stringify(answer));
  })().catch((error: unknown) => {
    response.statusCode = 500;
    response.end(JSON.stringify({ error: String(error) }));
  });
}).listen(CONTROL_PORT, '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
