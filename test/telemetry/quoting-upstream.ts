import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What its answers say that they cost. */
export const STATED_COST_USD = 0.0625;

export interface QuotingUpstream {
  /** Answers `<url>/<status>/v1/…` with that status. */
  readonly url: string;
  close(): Promise<void>;
}

/** An upstream that quotes all it was sent, headers and prompt: in its errors, as some providers do, and with status 200 in its answer and all that it calls it. */
export async function startQuotingUpstream(): Promise<QuotingUpstream> {
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.once('end', () => {
      const status = Number(/^\/(\d+)\//.exec(request.url ?? '')?.[1] ?? 500);
      const quoted = `${JSON.stringify(request.headers)} ${Buffer.concat(pieces).toString()}`;
      if (status === 200) return answer(response, quoted, (JSON.parse(Buffer.concat(pieces).toString()) as { stream?: boolean }).stream === true);
      response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req-1' });
      response.end(
        JSON.stringify({ error: { message: `Invalid: ${quoted}`, type: 'invalid_request_error', code: null, metadata: { flagged_input: quoted } } }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const USAGE = { prompt_tokens: 3, completion_tokens: 100, total_tokens: 103, cost: STATED_COST_USD };

/** A stream has a few characters in each chunk, so that nothing long is in one of them. */
function answer(response: ServerResponse, content: string, isStream: boolean): void {
  response.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' });
  if (!isStream) {
    const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', native_finish_reason: content };
    response.end(JSON.stringify({ id: content, model: content, service_tier: content, choices: [choice], usage: USAGE }));
    return;
  }
  response.write(`data: ${JSON.stringify({ id: content, model: content, choices: [{ delta: { role: 'assistant' } }] })}\n\n`);
  for (const piece of content.match(/[^]{1,23}/g) ?? []) response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: piece } }] })}\n\n`);
  const end = { delta: {}, finish_reason: 'stop', native_finish_reason: content };
  response.write(`data: ${JSON.stringify({ service_tier: content, choices: [end], usage: USAGE })}\n\n`);
  response.end('data: [DONE]\n\n');
}
