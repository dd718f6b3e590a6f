import { publicErrorType } from '../../libs/api/dist/error-body.js';
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
{
  "error": {
    "code": 400,
    "message": "temperature: Too big: expected number to be <=2",
    "type": "invalid_request_error",
    "param": "temperature",
    "metadata": { "error_type": "invalid_request" }
  }
}
\`\`\`

\`code\` repeats the HTTP status, as an integer; \`type\` and \`param\`, the path of the field that was refused or null, are what OpenAI's clients read.
\`metadata.error_type\` is one of OpenRouter's names: the first column below, or what stands behind \`→\`. Beside it are, where they apply, \`provider_name\` of the
provider that failed, its \`provider_code\`, and \`previous_errors\`, the attempts before. \`availability\` tells [why no endpoint could serve](routing.md#refusals). A few
refusals have a status of their own: 405 for a wrong method, 408 for a request that came too slowly, 431 for headers that are too large.

A stream that fails after it began carries \`code\`, \`message\` and \`metadata\` in its last chunk, and no \`[DONE]\` follows. 429 and 503 name \`Retry-After\` where the time is known.

*Retry*: the same request may succeed later. *Fallback*: another endpoint is tried before the client
sees the error. *Blame*: who has to change something; \`upstream\` counts against an endpoint's uptime. *Message*: \`open\` messages
reach the client as they are. \`masked\` ones are replaced by \`Internal Server Error\` without \`metadata\`; the log has the reason, with the generation id that the answer
names in \`X-Generation-Id\` and the \`X-Request-Id\` that the client sent.
`;

/** The name of a row, and what clients see in its place where that is another. */
function shownType(type) {
  const shown = publicErrorType(type);
  return shown === type ? `\`${type}\`` : `\`${type}\` → \`${shown}\``;
}

/** docs/reference/errors.md. */
export function errorReference() {
  const rows = Object.entries(ERROR_TABLE).map(
    ([type, row]) =>
      `| ${shownType(type)} | ${row.httpStatus} | ${grpcName(type, row.grpcStatus)} | ${yesNo(row.retryable)} | ${yesNo(row.mayFallBack)} | ${row.blame} | ${row.messagePolicy} | \`${row.openaiType}\` |`,
  );
  const head = ['| Error type | HTTP | gRPC | Retry | Fallback | Blame | Message | OpenAI type |', '| --- | --- | --- | --- | --- | --- | --- | --- |'];
  return `${INTRODUCTION}\n${[...head, ...rows].join('\n')}\n`;
}
