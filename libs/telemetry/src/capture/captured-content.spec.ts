import { describe, expect, it } from '@jest/globals';
import type { CanonicalMessage, ContentPart, MessagePart, ShownChoice, ToolDefinition } from '@switchyard/core';
import fc from 'fast-check';
import { captureContent, gatheredCharacters, type CaptureLimits, type Content } from './captured-content.js';

const ROOMY: CaptureLimits = { maxAttributeBytes: 1024 * 1024, maxSpanBytes: 1024 * 1024 };
const NAMES = ['gen_ai.system_instructions', 'gen_ai.input.messages', 'gen_ai.output.messages', 'gen_ai.tool.definitions'];
const CUT = 'switchyard.content.cut';

const choice = (fields: Partial<ShownChoice>): ShownChoice => ({
  reasoning: '',
  text: '',
  refusal: '',
  toolCalls: [],
  media: [],
  finishReason: 'stop',
  ...fields,
});
const said = (role: CanonicalMessage['role'], ...parts: readonly (string | MessagePart)[]): CanonicalMessage => ({
  role,
  parts: parts.map((part) => (typeof part === 'string' ? { kind: 'text', text: part } : part)),
});
const content = (messages: readonly CanonicalMessage[], choices: readonly ShownChoice[] = [], tools: readonly ToolDefinition[] = []): Content => ({
  request: { messages, tools },
  choices,
});
const captured = (what: Content, limits = ROOMY, redact = (text: string) => text) => {
  const { attributes } = captureContent(what, limits, redact);
  return Object.fromEntries(
    Object.entries(attributes)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, name === CUT ? value : (JSON.parse(value as string) as unknown)]),
  );
};

describe('captured content', () => {
  it('has the shape of the conventions: roles with parts, instructions and tools apart', () => {
    const messages = [
      said('system', 'Be brief.'),
      said('user', 'Weather in Paris?'),
      said('assistant', { kind: 'tool-call', id: 'call-1', name: 'weather', arguments: '{"city":"Paris"}' }),
      said('tool', { kind: 'tool-result', toolCallId: 'call-1', content: [{ kind: 'text', text: 'rainy' }] }),
      said('system', 'Answer in French.'),
    ];
    const tools = [{ name: 'weather', description: 'Looks it up', parameters: { type: 'object' } }];
    const answer = choice({
      reasoning: 'Easy.',
      text: 'Il pleut.',
      toolCalls: [{ id: 'call-2', name: 'weather', arguments: '{"city":' }],
      finishReason: 'tool_calls',
    });
    expect(captured(content(messages, [answer], tools))).toEqual({
      'gen_ai.system_instructions': [{ type: 'text', content: 'Be brief.' }],
      'gen_ai.input.messages': [
        { role: 'user', parts: [{ type: 'text', content: 'Weather in Paris?' }] },
        { role: 'assistant', parts: [{ type: 'tool_call', id: 'call-1', name: 'weather', arguments: { city: 'Paris' } }] },
        { role: 'tool', parts: [{ type: 'tool_call_response', id: 'call-1', response: 'rainy' }] },
        { role: 'system', parts: [{ type: 'text', content: 'Answer in French.' }] },
      ],
      'gen_ai.output.messages': [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', content: 'Easy.' },
            { type: 'text', content: 'Il pleut.' },
            { type: 'tool_call', id: 'call-2', name: 'weather', arguments: '{"city":' },
          ],
          finish_reason: 'tool_calls',
        },
      ],
      'gen_ai.tool.definitions': [{ type: 'function', name: 'weather', description: 'Looks it up', parameters: { type: 'object' } }],
    });
  });

  it('has arguments as text that are nested more deeply than anybody can write', () => {
    const nested = `${'['.repeat(16_000)}${']'.repeat(16_000)}`;
    const call = { kind: 'tool-call', id: 'call-1', name: 'weather', arguments: nested } as const;
    expect(captured(content([said('assistant', call)]))).toEqual({
      'gen_ai.input.messages': [{ role: 'assistant', parts: [{ type: 'tool_call', id: 'call-1', name: 'weather', arguments: nested }] }],
    });
  });

  it('says that an answer broke off', () => {
    expect(captured(content([], [choice({ text: 'half', finishReason: '' })]))).toEqual({
      'gen_ai.output.messages': [{ role: 'assistant', parts: [{ type: 'text', content: 'half' }], finish_reason: 'error' }],
    });
  });

  it('keeps the newest messages, and says what it cut', () => {
    const messages = Array.from({ length: 50 }, (_, index) => said('user', `${index}: ${'word '.repeat(20)}`));
    const attributes = captured(content(messages), { maxAttributeBytes: 1_080, maxSpanBytes: 1_080 });
    const kept = attributes['gen_ai.input.messages'] as { parts: { content: string }[] }[];
    expect(kept.at(-1)).toEqual({ role: 'user', parts: [{ type: 'text', content: `49: ${'word '.repeat(20)}` }] });
    expect(kept.at(-2)!.parts[0]!.content).toMatch(/^48: /);
    expect(kept[0]!.parts[0]!.content).toMatch(/… \[cut\]$/);
    expect(attributes[CUT]).toEqual(['gen_ai.input.messages']);
  });

  it('cuts one long text where the room ends, not in the middle of a character', () => {
    for (const text of ['x y '.repeat(2_000), '😀'.repeat(5_000), '"\\\n'.repeat(5_000)]) {
      const { attributes } = captureContent(content([said('user', text)]), { maxAttributeBytes: 1_000, maxSpanBytes: 1_000 }, (same) => same);
      const json = attributes['gen_ai.input.messages'] as string;
      expect(Buffer.byteLength(json)).toBeGreaterThan(980);
      expect(Buffer.byteLength(json)).toBeLessThanOrEqual(1_000);
      const [message] = JSON.parse(json) as { parts: { content: string }[] }[];
      const [, kept] = /^([^]*)… \[cut\]$/.exec(message!.parts[0]!.content)!;
      expect(text.startsWith(kept!)).toBe(true);
      expect(kept!.isWellFormed()).toBe(true);
    }
  });

  it('gives the answer its room before the prompt, where the span has too little for both', () => {
    const limits = { maxAttributeBytes: 500, maxSpanBytes: 520 };
    const attributes = captured(content([said('system', 'a'.repeat(400)), said('user', 'b'.repeat(400))], [choice({ text: 'c'.repeat(400) })]), limits);
    expect(attributes['gen_ai.output.messages']).toMatchObject([{ parts: [{ content: 'c'.repeat(400) }] }]);
    expect(attributes[CUT]).toEqual(['gen_ai.input.messages', 'gen_ai.system_instructions']);
  });

  it('names the prompt as cut when the request could not be read', () => {
    expect(captured({ request: undefined, choices: [choice({ text: 'yes' })] })[CUT]).toEqual(['gen_ai.input.messages']);
  });

  it('shows no piece of what was taken out where gathering ended in the middle of it, though the text became short', () => {
    const limits = { maxAttributeBytes: 5_000, maxSpanBytes: 5_000 };
    const [secret, picture] = ['sk-very-secret-0123456789', Buffer.from('a picture '.repeat(300)).toString('base64')];
    for (const last of [secret, picture]) {
      for (let length = 1; length < last.length; length += last.length / 12) {
        const end = last.slice(0, length);
        const gathered = gatheredCharacters(limits);
        const text = `${`${picture} `.repeat(2)}${'word '.repeat(gathered)}`.slice(0, gathered - end.length) + end;
        const { attributes } = captureContent(content([], [choice({ text })]), limits, (value) => value.replaceAll(secret, '[redacted]'));
        const json = attributes['gen_ai.output.messages'] as string;
        expect(json).toContain('[cut]');
        expect(json).not.toMatch(/sk-|[A-Za-z0-9]{60}/);
        expect(json).not.toContain(` ${end}`);
      }
    }
  });

  it('takes out what it is told to, also where the cut would have left a piece of it', () => {
    const secret = 'sk-very-secret-0123456789';
    const what = content(
      [said('user', `${'x '.repeat(175)}${secret}${secret}`)],
      [choice({ text: secret, toolCalls: [{ id: secret, name: 'f', arguments: `"${secret}"` }] })],
    );
    for (let maxAttributeBytes = 380; maxAttributeBytes < 460; maxAttributeBytes++) {
      const { attributes } = captureContent(what, { maxAttributeBytes, maxSpanBytes: 10_000 }, (text) => text.replaceAll(secret, '[redacted]'));
      expect(JSON.stringify(attributes)).not.toContain('sk-very');
    }
  });
});

describe('bytes in captured content', () => {
  const PICTURE = Buffer.from('a picture '.repeat(300)).toString('base64');
  const everywhere = (text: string): Content =>
    content(
      [
        said('system', text),
        said('user', text, { kind: 'reasoning', variant: 'text', text }),
        said('assistant', { kind: 'tool-call', id: '1', name: 'f', arguments: JSON.stringify({ text }) }),
        said('tool', { kind: 'tool-result', toolCallId: '1', content: [{ kind: 'text', text: JSON.stringify({ data: text }) }] }),
      ],
      [choice({ text, reasoning: text, refusal: text, toolCalls: [{ id: '1', name: 'f', arguments: JSON.stringify([text]).replaceAll('/', '\\/') }] })],
      [{ name: 'f', description: text, parameters: { description: text } }],
    );

  it('of pictures, sound and files give way to what they are', () => {
    const source = { kind: 'base64', mediaType: 'image/png', data: PICTURE } as const;
    const parts: ContentPart[] = [
      { kind: 'image', source },
      { kind: 'audio', format: 'wav', source: { ...source, mediaType: 'audio/wav' } },
      { kind: 'file', source: { ...source, mediaType: 'application/pdf' }, filename: 'contract.pdf' },
      { kind: 'image', source: { kind: 'url', url: 'https://user:pass@pictures.example/cat.png?signature=secret#x' } },
      { kind: 'file', source: { kind: 'file-id', fileId: 'file-1' } },
    ];
    const result = said('tool', { kind: 'tool-result', toolCallId: '1', content: parts.slice(0, 1) });
    const shown = choice({ media: [{ modality: 'image', mediaType: 'image/png', sizeBytes: 3_000 }] });
    expect(captured(content([said('user', ...parts), result], [shown]))).toEqual({
      'gen_ai.input.messages': [
        {
          role: 'user',
          parts: [
            { type: 'text', content: '[image/png of 3000 bytes left out]' },
            { type: 'text', content: '[audio/wav of 3000 bytes left out]' },
            { type: 'text', content: '[application/pdf of 3000 bytes left out]' },
            { type: 'uri', modality: 'image', uri: 'https://pictures.example/cat.png' },
            { type: 'file', modality: 'file', file_id: 'file-1' },
          ],
        },
        { role: 'tool', parts: [{ type: 'tool_call_response', id: '1', response: '[image/png of 3000 bytes left out]' }] },
      ],
      'gen_ai.output.messages': [{ role: 'assistant', parts: [{ type: 'text', content: '[image/png of 3000 bytes left out]' }], finish_reason: 'stop' }],
    });
  });

  it.each([
    ['a data URL', `data:image/png;base64,${PICTURE}`],
    ['a data URL without a type', `data:;base64,${PICTURE}`],
    ['a data URL with parameters', `data:audio/wav;rate=16000;base64,${PICTURE}`],
    ['a data URL that is not base64', `data:image/svg+xml,${encodeURIComponent('<svg>'.repeat(200))}`],
    ['plain base64', PICTURE],
  ])('are found in texts, too: %s', (_name, bytes) => {
    const { attributes } = captureContent(everywhere(`Before ${bytes} after`), ROOMY, (text) => text);
    for (const name of NAMES) {
      const json = attributes[name] as string;
      expect(json).toContain('left out] after');
      expect(json).not.toMatch(/[A-Za-z0-9+/%]{60}/);
    }
  });

  it('are left out whole, however much of them there is, and nothing beside them', () => {
    const base64 = 'QUJD'.repeat(1_500_000);
    for (const bytes of [base64, `data:image/png;base64,${base64}`, `${base64.slice(0, 512)} ${base64.slice(0, 511)}. ${base64.slice(0, 513)}==`]) {
      const { attributes } = captureContent(content([said('user', `Before ${bytes}\nafter`)]), ROOMY, (text) => text);
      const [message] = JSON.parse(attributes['gen_ai.input.messages'] as string) as [{ parts: [{ content: string }] }];
      expect(message.parts[0].content.replaceAll(/\[\S+ of \d+ bytes left out\]/g, '[]')).toMatch(/^Before \[\]( (QUJD){127}QUJ\. \[\])?\nafter$/);
    }
  });

  it('are not seen in prose', () => {
    const text = `Metadata:foo,bar; see https://example.com/${'path/'.repeat(20)} and ${'word '.repeat(500)}data:, end`;
    expect(JSON.stringify(captured(everywhere(text))['gen_ai.system_instructions'])).toContain(text);
  });
});

describe('whatever is captured', () => {
  const text = fc.oneof(fc.string({ maxLength: 400 }), fc.string({ unit: 'binary', maxLength: 200 }), fc.json());
  const part: fc.Arbitrary<MessagePart> = fc.oneof(
    text.map((value) => ({ kind: 'text' as const, text: value })),
    fc.record({ kind: fc.constant('tool-call' as const), id: text, name: text, arguments: text }),
    text.map((value) => ({ kind: 'tool-result' as const, toolCallId: value, content: [{ kind: 'text' as const, text: value }] })),
    text.map((value) => ({ kind: 'image' as const, source: { kind: 'url' as const, url: value } })),
  );
  const message: fc.Arbitrary<CanonicalMessage> = fc.record({
    role: fc.constantFrom('system', 'user', 'assistant', 'tool'),
    parts: fc.array(part, { maxLength: 5 }),
  });
  const shown = fc.record({ text, reasoning: text, finishReason: fc.constantFrom('', 'stop') }).map(choice);
  const tool = fc.record({ name: text, description: text, parameters: fc.dictionary(fc.string(), fc.string()) });

  it('is valid JSON and never above its bounds, and whole where nothing is named as cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.array(shown, { maxLength: 3 }),
        fc.array(tool, { maxLength: 4 }),
        fc.integer({ min: 0, max: 3_000 }),
        fc.integer({ min: 0, max: 6_000 }),
        (messages, choices, tools, maxAttributeBytes, maxSpanBytes) => {
          const what = content(messages, choices, tools);
          const { attributes, contentBytes } = captureContent(what, { maxAttributeBytes, maxSpanBytes }, (same) => same);
          const cut = (attributes[CUT] as readonly string[] | undefined) ?? [];
          const whole = captured(what);
          let sumBytes = 0;
          for (const name of NAMES) {
            const json = attributes[name] as string | undefined;
            sumBytes += Buffer.byteLength(json ?? '');
            expect(Buffer.byteLength(json ?? '')).toBeLessThanOrEqual(maxAttributeBytes);
            const value: unknown = json === undefined ? undefined : JSON.parse(json);
            if (value !== undefined) expect(Array.isArray(value)).toBe(true);
            if (!cut.includes(name)) expect(value).toEqual(whole[name]);
          }
          expect(sumBytes).toBe(contentBytes);
          expect(sumBytes).toBeLessThanOrEqual(maxSpanBytes);
        },
      ),
      { numRuns: 300 },
    );
  });
});
