import { defineConfig, field } from '@switchyard/config';
import { z } from 'zod';

/** What commands read beside the settings of every process. */
export const commandConfig = defineConfig({
  apiKey: field({
    env: 'SWITCHYARD_API_KEY',
    schema: z.string().optional(),
    description: 'API key that the command `chat` uses when it is given none.',
    secret: true,
  }),
});
