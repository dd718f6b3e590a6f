import { request } from 'node:http';

/** `node control.js <command as JSON>`, run inside the load client's pod: prints its answer. */
const CONTROL_PORT = 8070;
const call = request({ host: '127.0.0.1', port: CONTROL_PORT, method: 'POST' }, (response) => {
  response.pipe(process.stdout);
  response.on('end', () => (process.exitCode = response.statusCode === 200 ? 0 : 1));
});
call.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
call.end(process.argv[2] ?? '{}');
