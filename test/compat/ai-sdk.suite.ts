import { describe, expect, it } from '@jest/globals';
import { createOpenRouter } from '@openrouter/ai-sdk-provider';
import { MODELS, type Fixture } from '@switchyard/test-platform';
import { generateText, stepCountIs, streamText, tool } from 'ai';
import { z } from 'zod';

/** Vercel's AI SDK over OpenRouter's provider for it. */
export function aiSdkSuite(fixture: () => Fixture): void {
  const model = (id: string) => createOpenRouter({ baseURL: fixture().platform.baseUrl, apiKey: fixture().platform.apiKey }).chat(id);

  describe.each([MODELS.writer, MODELS.thinker, MODELS.seer])('AI SDK with %s', (id) => {
    it('generates text, streams it, and runs a tool loop [C04]', async () => {
      expect((await generateText({ model: model(id), prompt: 'say 4 words' })).text).toBe('word1 word2 word3 word4');
      const streamed = streamText({ model: model(id), prompt: 'say 4 words' });
      let text = '';
      for await (const piece of streamed.textStream) text += piece;
      expect(text).toBe('word1 word2 word3 word4');
      expect((await streamed.usage).outputTokens).toBeGreaterThan(0);
      const asked: string[] = [];
      const weather = tool({
        inputSchema: z.object({ city: z.string() }),
        execute: ({ city }) => {
          asked.push(city);
          return { degrees: 20 };
        },
      });
      const looped = await generateText({ model: model(id), prompt: 'Use weather.', tools: { weather }, stopWhen: stepCountIs(3) });
      expect(asked).toEqual(['sample']);
      expect(looped.text).toContain('simulated');
    });
  });
}
