import { picoToUsd } from '@switchyard/core';

type Json = Readonly<Record<string, unknown>>;

/** An explanation for people, in lines. Takes the document of `explainGeneration`. */
export function explanationText(explanation: Json): string {
  const sections = [
    ...requestLines(explanation),
    ...pricingLines(objectOf(explanation['pricing'])),
    ...leaseLines(explanation),
    ...attemptLines(explanation),
    ...postingLines(explanation),
    '',
    `Charge ${usd(explanation['chargePico'])}, cost ${usd(explanation['costPico'])}, margin ${usd(explanation['marginPico'])}`,
    ...Object.entries(objectOf(explanation['flagsExplained'])).map(([flag, meaning]) => `Flag ${flag}: ${String(meaning)}`),
  ];
  return `${sections.join('\n')}\n`;
}

function requestLines(explanation: Json): string[] {
  const heading = `Generation ${text(explanation['generationId'])}`;
  if (explanation['request'] === undefined) return [heading, '  Its end has not been posted (yet).'];
  const request = objectOf(explanation['request']);
  const times = objectOf(explanation['times']);
  const asked = text(request['modelRequested']);
  const model = text(request['model']) || asked;
  const tags = Object.entries(objectOf(request['metadata'])).map(([name, value]) => `${name}=${text(value)}`);
  return [
    heading,
    ...fact('account', named(request['accountId'], explanation['accountName'])),
    ...fact('key', [text(explanation['keyLabel']), text(explanation['keyName']), text(request['keyHash']).slice(0, 12)].filter(Boolean).join(' · ')),
    ...fact('cost centre', text(request['costCentre'])),
    ...fact('model', asked !== '' && asked !== model ? `${model} (asked for ${asked})` : model),
    ...fact('provider', named(request['providerSlug'], request['providerName'])),
    ...fact('endpoint', text(request['endpointId'])),
    ...fact('app', [text(request['appTitle']), text(request['httpReferer'])].filter(Boolean).join(' · ')),
    ...fact('user', text(request['user'])),
    ...fact('session', text(request['sessionId'])),
    ...fact('tags', tags.join(', ')),
    ...fact('accepted', text(times['accepted'])),
    ...fact('ended', [text(times['ended']), text(request['end']).replace('GENERATION_END_', '').toLowerCase()].filter(Boolean).join(' · ')),
    ...fact('finish', [text(request['finishReason']), text(request['errorType'])].filter(Boolean).join(' · ')),
  ];
}

function pricingLines(pricing: Json): string[] {
  if (pricing['eventId'] === undefined) return [];
  const discount = Number(pricing['discountMillionths'] ?? 0);
  const reserved = pricing['reservedPico'] === undefined ? [] : [`  ${'reserved'.padEnd(WIDTH)}${usd(pricing['reservedPico'])}`];
  const excess = text(pricing['excessPico']) === '0' ? [] : [`  ${'above it'.padEnd(WIDTH)}${usd(pricing['excessPico'])}`];
  return [
    '',
    `Price revision ${text(pricing['priceRevision']) || 'none'}, usage ${text(pricing['usageSource']).replace('USAGE_SOURCE_', '').toLowerCase() || 'unknown'}`,
    ...multiplicationLines(pricing['lines'], '  '),
    ...(pricing['notCharged'] === undefined ? [] : [`  ${text(pricing['notCharged'])}`]),
    ...(discount === 0 ? [] : [`  less ${discount / 10_000} % of ${usd(pricing['productPico'])}, rounded half to even to a pico-USD`]),
    `  ${'charge'.padEnd(WIDTH)}${usd(pricing['chargePico'])}`,
    ...reserved,
    ...excess,
  ];
}

function leaseLines(explanation: Json): string[] {
  return listOf(explanation['leases']).flatMap((lease) => {
    const kind = text(lease['kind']);
    const shown = (amount: unknown): string => (MONEY_SCOPES.includes(kind) ? usd(amount) : text(amount));
    return [
      '',
      `Lease ${text(lease['leaseId'])} on ${kind}, held by ${text(lease['holderId'])} in epoch ${text(lease['epoch'])}`,
      `  granted ${shown(lease['granted'])} · released ${shown(lease['released'])} · settled ${shown(lease['settled'])}, of which this generation ${shown(lease['settledByThisGeneration'])} · ${text(lease['resolution']) || 'open'}`,
    ];
  });
}

/** The others count requests or tokens. */
const MONEY_SCOPES = ['account_credit', 'key_limit'];

function attemptLines(explanation: Json): string[] {
  return listOf(explanation['attempts']).flatMap((attempt) => {
    const event = objectOf(attempt['event']);
    const correction = objectOf(attempt['correction']);
    const outcome = text(event['outcome']).replace('ATTEMPT_OUTCOME_', '').toLowerCase();
    return [
      '',
      `Attempt ${text(attempt['attemptId'])} at ${text(attempt['providerSlug'])}, reported by the ${text(attempt['reporter'])}: ${outcome || 'unknown'}`,
      ...fact('endpoint', text(event['endpointId'])),
      ...fact('upstream', [event['upstreamStatus'], event['upstreamId']].map(text).filter(Boolean).join(' · ')),
      ...multiplicationLines(attempt['lines'], '  '),
      `  ${'cost'.padEnd(WIDTH)}${usd(attempt['costPico'])}, cost revision ${text(event['costRevision']) || 'none'}${attempt['isByok'] === true ? "; paid by the customer's own credential, not booked" : ''}`,
      ...(correction['costPico'] === undefined
        ? []
        : [
            `  corrected by the worker's later report to ${usd(correction['costPico'])}, a difference of ${usd(correction['differencePico'])}`,
            ...multiplicationLines(correction['lines'], '    '),
          ]),
    ];
  });
}

function postingLines(explanation: Json): string[] {
  return listOf(explanation['postings']).flatMap((posting) => [
    '',
    `Posted ${text(posting['postedTime'])}: ${text(posting['kind'])} ${text(posting['transactionId'])}`,
    ...listOf(posting['entries']).map((entry) => `  ${text(entry['side']).padEnd(7)} ${text(entry['ledgerAccount']).padEnd(56)} ${usd(entry['amountPico'])}`),
  ]);
}

function multiplicationLines(lines: unknown, indent: string): string[] {
  return listOf(lines).map(
    (line) =>
      `${indent}${text(line['meter']).padEnd(WIDTH)}${text(line['count'])}${line['unitPricePico'] === null ? ', without a price' : ` × ${usd(line['unitPricePico'])} = ${usd(line['amountPico'])}`}`,
  );
}

const WIDTH = 18;

function fact(name: string, value: string): string[] {
  return value === '' ? [] : [`  ${name.padEnd(WIDTH)}${value}`];
}

function named(id: unknown, name: unknown): string {
  return text(name) === '' || text(name) === text(id) ? text(id) : `${text(id)} · ${text(name)}`;
}

function usd(amountPico: unknown): string {
  return `${picoToUsd(BigInt(text(amountPico) || '0'))} USD`;
}

/** Control characters of what clients sent would move the reader's cursor. */
function text(value: unknown): string {
  return value === undefined || value === null ? '' : String(value).replace(/\p{Cc}/gu, ' ');
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function listOf(value: unknown): Json[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}
