import { createServer } from 'node:net';

/** A provider that answers every request with the same chat completion, at next to no cost. Started as a process of its own. */
const body = JSON.stringify({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'writer',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'The quick brown fox jumps over the lazy dog, and then does it again to be sure.'.repeat(4) },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 24, completion_tokens: 80, total_tokens: 104 },
});
const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

const server = createServer({ noDelay: true }, (socket) => {
  let waiting = 0;
  let isInHead = true;
  let tail = '';
  socket.on('error', () => undefined);
  socket.on('data', (piece) => {
    let text = tail + piece.toString('latin1');
    tail = '';
    while (text.length > 0) {
      if (isInHead) {
        const end = text.indexOf('\r\n\r\n');
        if (end === -1) {
          tail = text;
          return;
        }
        waiting = Number(/content-length: *(\d+)/i.exec(text.slice(0, end))?.[1] ?? 0);
        text = text.slice(end + 4);
        isInHead = false;
      }
      const taken = Math.min(waiting, text.length);
      waiting -= taken;
      text = text.slice(taken);
      if (waiting > 0) return;
      isInHead = true;
      socket.write(answer);
    }
  });
});
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address) console.log(address.port);
});
