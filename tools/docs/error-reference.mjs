import { ERROR_TABLE } from '../../libs/errors/dist/error-table.js';

const GRPC_NAMES = {
  3: 'INVALID_ARGUMENT',
  4: 'DEADLINE_EXCEEDED',
  5: 'NOT_FOUND',
  6: 'ALREADY_EXISTS',
  7: 'PERMISSION_DENIED',
  8: 'RESOURCE_EXHAUSTED',
  9: 'FAILED_PRECONDITION',
  12: 'UNIMPLEMENTED',
  13: 'INTERNAL',
  14: 'UNAVAILABLE',
  16: 'UNAUTHENTICATED',
};

const yesNo = (value) => (value ? 'yes' : 'no');

function grpcName(type, status) {
  const name = GRPC_NAMES[status];
  if (!name) throw new Error(`${type} maps to gRPC status ${status}, which has no name here.`);
  return name;
}

const INTRODUCTION = `# Errors

<!-- Generated from libs/errors/src/error-table.ts by \`npm run generate\`. -->

A failed request answers with the HTTP status and a body of one shape:

\`\`\`json
{ "error": { "code": 429, "message": "…", "metadata": { "error_type": "rate_limit_exceeded" } } }
\`\`\`

\`code\` repeats the HTTP status; \`metadata.error_type\` is the first column below. A stream that fails after it began carries the
same object in its last chunk. *Retry*: the same request may succeed later. *Fallback*: another endpoint is tried before the client
sees the error. *Blame*: who has to change something; \`upstream\` counts against an endpoint's uptime. *Message*: \`open\` messages
reach the client as they are, \`masked\` ones are replaced by a fixed sentence and logged with the request id.
`;

/** docs/reference/errors.md. */
export function errorReference() {
  const rows = Object.entries(ERROR_TABLE).map(
    ([type, row]) =>
      `| \`${type}\` | ${row.httpStatus} | ${grpcName(type, row.grpcStatus)} | ${yesNo(row.retryable)} | ${yesNo(row.mayFallBack)} | ${row.blame} | ${row.messagePolicy} | \`${row.openaiType}\` |`,
  );
  const head = ['| Error type | HTTP | gRPC | Retry | Fallback | Blame | Message | OpenAI type |', '| --- | --- | --- | --- | --- | --- | --- | --- |'];
  return `${INTRODUCTION}\n${[...head, ...rows].join('\n')}\n`;
}
