import { describe, expect, it } from '@jest/globals';
import { explanationText } from './explanation-text.js';
import { explainGeneration, type ExplanationSource } from './generation-explanation.js';

const ATTEMPT = {
  attemptId: 'gen-1-x:0',
  eventId: 'e2',
  reporter: 'ingress',
  providerSlug: 'acme',
  isByok: false,
  costPico: 300n,
  document: {
    endpointId: 'acme/large@acme',
    outcome: 'ATTEMPT_OUTCOME_SESSION_LOST',
    upstreamStatus: 200,
    usage: { meters: { output_text: 3 } },
    unitCostsPico: { output_text: '100' },
    costRevision: 'cost-1',
    flags: ['usage_estimated'],
  },
  correctedCostPico: 400n,
  differencePico: 100n,
  correctionDocument: { usage: { meters: { output_text: 4 } }, unitCostsPico: { output_text: '100' } },
};

const SOURCE: ExplanationSource = {
  generationId: 'gen-1-x',
  names: { accountName: 'Acme', keyName: 'production', keyLabel: 'sk-sy-v1-...abcd' },
  charge: {
    eventId: 'e1',
    chargePico: 1_980_000n,
    excessPico: 7n,
    flags: 'underestimated made_up_later',
    document: {
      generationId: 'gen-1-x',
      accountId: 'a1',
      keyHash: 'f00',
      acceptTimeMs: '1790000000000',
      endTimeMs: '1790000001000',
      end: 'GENERATION_END_COMPLETED',
      modelRequested: 'acme/latest',
      model: 'acme/large',
      providerSlug: 'acme',
      providerName: 'Acme Inc',
      user: 'ann\u001b[2J',
      httpReferer: 'https://app.example',
      appTitle: 'App',
      costCentre: 'cc-7',
      metadata: { team: 'red' },
      usage: { meters: { input_uncached: 1_000, output_text: 200 }, source: 'USAGE_SOURCE_PROVIDER' },
      unitPricesPico: { input_uncached: '1000', output_text: '5000' },
      priceRevision: 'r7',
      discountMillionths: 10_000,
      chargePico: '1980000',
      reservedPico: '1979993',
      leases: [
        { leaseId: 'l1', amount: '1980000' },
        { leaseId: 'l2', amount: '1' },
      ],
      finishReason: 'stop',
    },
  },
  attempts: [ATTEMPT],
  postings: [
    { transactionId: 'e1', kind: 'charge', reference: '', postedAtMs: 1_790_000_002_000n, ledgerAccount: 'account:a1:credits', amountPico: 1_980_000n },
    {
      transactionId: 'e1',
      kind: 'charge',
      reference: '',
      postedAtMs: 1_790_000_002_000n,
      ledgerAccount: 'platform:revenue:inference',
      amountPico: -1_980_000n,
    },
  ],
  leases: [
    { leaseId: 'l2', kind: 'key_requests_per_minute', holderId: 'ingress-1', epoch: 1n, granted: 30n, released: 0n, settled: '1', resolution: null },
    { leaseId: 'l1', kind: 'account_credit', holderId: 'ingress-1', epoch: 1n, granted: 5_000_000n, released: 0n, settled: '1980000', resolution: null },
  ],
};

describe('an explanation for people', () => {
  const lines = explanationText(explainGeneration(SOURCE)).split('\n');
  const line = (start: string): string | undefined => lines.find((text) => text.trim().startsWith(start))?.trim();

  it('says who asked for what, when, and what served it', () => {
    expect(lines[0]).toBe('Generation gen-1-x');
    expect(line('account ')).toMatch(/a1 · Acme$/);
    expect(line('key ')).toMatch(/sk-sy-v1-\.\.\.abcd · production · f00$/);
    expect(line('cost centre')).toMatch(/cc-7$/);
    expect(line('model ')).toMatch(/acme\/large \(asked for acme\/latest\)$/);
    expect(line('provider')).toMatch(/acme · Acme Inc$/);
    expect(line('app')).toMatch(/App · https:\/\/app\.example$/);
    expect(line('tags')).toMatch(/team=red$/);
    expect(line('accepted')).toMatch(/2026-09-21T14:13:20\.000Z$/);
    expect(line('ended')).toMatch(/· completed$/);
  });

  it('multiplies line by line, takes the discount off and comes to the charge', () => {
    expect(line('Price revision')).toBe('Price revision r7, usage provider');
    expect(line('input_uncached')).toMatch(/1000 × 0\.000000001 USD = 0\.000001 USD$/);
    expect(lines.filter((text) => text.includes('output_text')).map((text) => text.split(/ {2,}/).at(-1))).toEqual([
      '200 × 0.000000005 USD = 0.000001 USD',
      '3 × 0.0000000001 USD = 0.0000000003 USD',
      '4 × 0.0000000001 USD = 0.0000000004 USD',
    ]);
    expect(line('less')).toBe('less 1 % of 0.000002 USD, rounded half to even to a pico-USD');
    expect(line('charge')).toMatch(/0\.00000198 USD$/);
    expect(line('reserved')).toMatch(/0\.000001979993 USD$/);
    expect(line('above it')).toMatch(/0\.000000000007 USD$/);
  });

  it('shows lease, attempts with their corrections, both sides of postings, and the margin', () => {
    expect(lines.filter((text) => text.trim().startsWith('granted')).map((text) => text.trim())).toEqual([
      'granted 30 · released 0 · settled 1, of which this generation 1 · open',
      'granted 0.000005 USD · released 0 USD · settled 0.00000198 USD, of which this generation 0.00000198 USD · open',
    ]);
    expect(line('Attempt')).toBe('Attempt gen-1-x:0 at acme, reported by the ingress: session_lost');
    expect(line('corrected')).toBe("corrected by the worker's later report to 0.0000000004 USD, a difference of 0.0000000001 USD");
    expect(line('debit')).toMatch(/^debit +account:a1:credits +0\.00000198 USD$/);
    expect(line('credit ')).toMatch(/^credit +platform:revenue:inference +0\.00000198 USD$/);
    expect(line('Charge ')).toBe('Charge 0.00000198 USD, cost 0.0000000004 USD, margin 0.0000019796 USD');
  });

  it('explains every flag, also of attempts, and those of newer programs', () => {
    expect(line('Flag underestimated')).toContain('more than was reserved');
    expect(line('Flag usage_estimated')).toContain('estimate');
    expect(line('Flag made_up_later')).toContain('newer version');
  });

  it('passes on no control character', () => {
    expect(lines.join('').match(/\p{Cc}/gu)).toBeNull();
    expect(line('user')).toMatch(/ann \[2J$/);
  });

  it.each([
    ['GENERATION_END_UPSTREAM_FAILED', '', 'A request that failed costs nothing.'],
    ['GENERATION_END_CLIENT_ABORTED', '', 'The client left before the provider answered.'],
    ['GENERATION_END_COMPLETED', 'error', 'An answer without output, or that ended with an error, costs nothing.'],
    ['GENERATION_END_COMPLETED', 'stop', 'Flag price_missing: A counted meter had no price: it was left out of the charge.'],
  ])('says why nothing is charged for what was counted: %s, %s', (end, finishReason, reason) => {
    const { charge } = SOURCE;
    const document = { ...charge!.document, end, finishReason, unitPricesPico: {}, discountMillionths: 0, chargePico: '0' };
    const flags = finishReason === 'stop' ? 'price_missing' : '';
    const told = explanationText(explainGeneration({ ...SOURCE, charge: { ...charge!, document, flags, chargePico: 0n }, attempts: [], postings: [] }));
    expect(told).toContain('output_text       200, without a price\n');
    expect(told.match(/(A request that failed|The client left|An answer without|Flag price_missing).*/g)).toEqual([reason]);
    expect(told).not.toContain(' × ');
  });

  it('says so when the end is not posted, and what customers pay themselves', () => {
    const text = explanationText(
      explainGeneration({
        ...SOURCE,
        charge: undefined,
        names: undefined,
        postings: [],
        leases: [],
        attempts: [{ ...ATTEMPT, isByok: true, correctedCostPico: null }],
      }),
    );
    expect(text).toContain('Its end has not been posted (yet).');
    expect(text).toContain("paid by the customer's own credential, not booked");
    expect(text).toContain('Charge 0 USD, cost 0 USD, margin 0 USD');
  });
});
