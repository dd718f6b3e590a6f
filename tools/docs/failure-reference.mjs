import { CELLS, CLIENT_LEAVES, ERROR_STATUS, FAULTS, POINTS, metricLabel } from '../../test/e2e/stream-failure-table.ts';

const INTRODUCTION = `# Failures

<!-- Generated from test/e2e/stream-failure-table.ts by \`npm run generate\`. -->

What comes of an answer that fails, at whatever byte. The tests in \`test/e2e/stream-failures.suite.ts\` read the same table: each cell below is played by a
provider of which every byte is the test's, and checked from the client's bytes to the ledger. Two rules stand above all cells:

- Until the first content a failure is replaced by another endpoint and leaves no trace in the answer. A whole answer is held back to its last byte, so that
  all of it is "until".
- A cut answer never ends cleanly: a stream that showed content and is not whole ends in a typed error, without \`[DONE]\`.

In every cell, too: a connection that the provider keeps open is closed, what the attempt had reserved is free for the next request at once, the process serves
on, and \`switchyard ledger verify\` finds nothing.

## Outcomes

| In the tables | The client sees | Charged | Tried again | What tells |
| --- | --- | --- | --- | --- |
`;

const error = (name) => `\`${name}\` (${ERROR_STATUS[name]})`;
const metric = (outcome) => `\`switchyard_attempts_total{outcome="${metricLabel(outcome)}"}\``;
const USAGE = {
  reported: 'the provider’s count',
  estimated: 'an estimate by size',
  owed: 'the provider’s count, at most 2³² − 1 tokens of a kind; what the account has not got it owes (`receivable`), and gets 402 until that is covered',
};
const COMPLETED_TELLS = {
  reported: ', no flag',
  estimated: ', flag `usage_estimated`',
  owed: '; `switchyard_billing_underestimated_charges_total`; `switchyard ledger explain`',
};

/** One cell in a few words. */
function brief(outcome) {
  switch (outcome.kind) {
    case 'replaced':
      return `replaced, else ${ERROR_STATUS[outcome.error]}${outcome.isCostBooked ? ', cost booked' : ''}`;
    case 'broken':
      return `error ${ERROR_STATUS[outcome.error]} after ${outcome.shown === 'everything' ? 'all text' : 'the text so far'}`;
    case 'completed':
      return `whole, ${outcome.charged}`;
    case 'left':
      return `left, ${outcome.charged}`;
  }
}

/** The row of the legend that an outcome belongs to. */
function legendRow(outcome) {
  switch (outcome.kind) {
    case 'replaced': {
      const tries = outcome.triesAlone === 2 ? 'each further endpoint; the last one once more after 250 ms' : 'each further endpoint; none twice';
      return [
        `replaced, else ${ERROR_STATUS[outcome.error]}`,
        `the next endpoint’s answer, \`X-Switchyard-Attempts\` above 1; with none left status ${ERROR_STATUS[outcome.error]}${outcome.error === 'unmapped' ? ', masked' : ` and \`error_type\` \`${outcome.error}\``}`,
        'what answered; else nothing',
        tries,
        `${metric(outcome)}; record: \`status: upstream_failed\`, \`error_type: ${outcome.error}\`, \`total_cost: 0\``,
      ];
    }
    case 'broken':
      return [
        `error ${ERROR_STATUS[outcome.error]}`,
        `status 200, the text so far, last chunk with \`error\` ${error(outcome.error)} and \`finish_reason: error\``,
        'nothing; what the provider charges is booked as our cost',
        'nothing',
        `${metric(outcome)}; record: \`status: upstream_failed\`, \`error_type: ${outcome.error}\`, \`total_cost: 0\``,
      ];
    case 'completed':
      return [
        `whole, ${outcome.charged}`,
        'all of it, usage with cost, and one clean end',
        USAGE[outcome.charged],
        'nothing',
        `${metric(outcome)}; record: \`status: completed\`${COMPLETED_TELLS[outcome.charged]}`,
      ];
    case 'left': {
      const what = {
        nothing: 'nothing: the provider had not answered',
        prompt: 'an estimate of the prompt',
        ...USAGE,
        estimated: 'an estimate of the prompt and of the text that came',
      };
      const isEstimated = outcome.charged === 'prompt' || outcome.charged === 'estimated';
      return [
        `left, ${outcome.charged}`,
        'nothing more, and the connection to the provider is closed; a client that only stopped reading gets an error 504, should it read on',
        what[outcome.charged],
        'nothing',
        `${metric(outcome)}; record: \`status: client_aborted\`, \`cancelled: true\`${isEstimated ? ', flag `usage_estimated`' : ''}`,
      ];
    }
  }
}

const row = (columns) => `| ${columns.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');

function legend() {
  const rows = new Map();
  for (const { outcome } of CELLS) {
    const columns = legendRow(outcome);
    rows.set(columns[0], columns);
  }
  return [...rows.values()]
    .sort((left, right) => left[0].localeCompare(right[0], 'en'))
    .map(row)
    .join('\n');
}

const NOTES = `*Cost booked*: the provider had reported the prompt’s tokens before it failed, or had sent a part of a whole answer. That is on its bill, so an estimate is in
\`platform:expense\`, flagged; the customer pays nothing.

*Huge line*: more than 32 MiB in one event of a stream, more than \`SWITCHYARD_WORKER_MAX_ANSWER_BYTES\` of a whole answer, more headers than 16 KiB. *Stall*: longer than
the deadlines of [routing](routing.md#deadlines). *Error frame* before the headers is a status of 500, in a whole answer the error’s JSON inside the body. A provider that
calls its own answer failed is believed, even after a finish reason; anything else that goes wrong behind a finish reason leaves the answer whole.`;

const find = (wire, isStreamed, fault, point) =>
  CELLS.find((cell) => cell.wire === wire && cell.isStreamed === isStreamed && cell.fault === fault && cell.point === point);

function matrix(title, wire, isStreamed) {
  const faults = FAULTS.filter((fault) => find(wire, isStreamed, fault, POINTS[0]));
  const points = POINTS.filter((point) => find(wire, isStreamed, faults[0], point));
  const rows = points.map((point) => [point, ...faults.map((fault) => brief(find(wire, isStreamed, fault, point).outcome))]);
  return `## ${title}\n\n${table(['', ...faults], rows)}\n`;
}

function leaving() {
  const text = (cell) => (cell === undefined ? '–' : brief(cell.outcome));
  const rows = POINTS.map((point) => [point, text(find('openai', true, CLIENT_LEAVES, point)), text(find('openai', false, CLIENT_LEAVES, point))]);
  return `## The client leaves\n\nA whole answer runs to its end all the same, and is charged: its client may have been cut off by anything.\n\n${table(['while the provider is', 'streamed', 'whole'], rows)}\n`;
}

const WIRE_NAMES = { openai: '', anthropic: 'Anthropic', gemini: 'Gemini' };

function others() {
  const rows = new Map();
  for (const { wire, isStreamed, fault, point, outcome } of CELLS) {
    if (point !== '') continue;
    const name = WIRE_NAMES[wire] === '' ? fault : `${fault} (${WIRE_NAMES[wire]})`;
    const columns = rows.get(name) ?? [name, '–', '–'];
    columns[isStreamed ? 1 : 2] = brief(outcome);
    rows.set(name, columns);
  }
  return `## Everything else\n\n${table(['', 'streamed', 'whole'], [...rows.values()])}\n`;
}

/** docs/reference/failures.md. */
export function failureReference() {
  return [
    `${INTRODUCTION}${legend()}\n\n${NOTES}\n`,
    matrix('Streams', 'openai', true),
    matrix('Whole answers', 'openai', false),
    matrix('Streams of Anthropic’s dialect', 'anthropic', true),
    matrix('Streams of Gemini’s dialect', 'gemini', true),
    leaving(),
    others(),
  ].join('\n');
}
