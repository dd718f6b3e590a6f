import { z } from 'zod';
import { chatMessageSchema } from './chat-messages.js';
import { gatewayShape, samplingShape } from './sampling-parameters.js';

export const REASONING_EFFORTS = ['max', 'xhigh', 'high', 'medium', 'low', 'minimal', 'none'] as const;

const reasoning = z
  .looseObject({
    effort: z.enum(REASONING_EFFORTS).nullish(),
    max_tokens: z.int().min(0).nullish(),
    exclude: z.boolean().nullish(),
    enabled: z.boolean().nullish(),
    summary: z.enum(['auto', 'concise', 'detailed']).nullish(),
  })
  .refine((value) => typeof value.effort !== 'string' || typeof value.max_tokens !== 'number', 'only one of effort and max_tokens can be given');

const jsonSchemaFormat = z.looseObject({
  type: z.literal('json_schema'),
  json_schema: z.looseObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    schema: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});
const responseFormat = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text') }),
  z.looseObject({ type: z.literal('json_object') }),
  jsonSchemaFormat,
  z.looseObject({ type: z.literal('grammar'), grammar: z.string() }),
  z.looseObject({ type: z.literal('python') }),
]);

const functionTool = z.looseObject({
  type: z.literal('function'),
  function: z.looseObject({
    name: z.string().min(1).max(256),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});
/** Any other `type` names a tool that the server runs. */
const serverTool = z.looseObject({
  type: z
    .string()
    .min(1)
    .refine((type) => type !== 'function', { error: 'a function tool needs a function with a name', abort: true }),
});
const tool = z.union([functionTool, serverTool]);

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.looseObject({ type: z.literal('function'), function: z.looseObject({ name: z.string().min(1) }) }),
  z.looseObject({
    type: z
      .string()
      .min(1)
      .refine((type) => type !== 'function', { error: 'a function choice needs the name of the function', abort: true }),
  }),
]);

/**
 * Body of `POST /chat/completions`. Unknown top-level parameters pass through to the provider; `provider` is strict.
 * `null` stands for "not given" everywhere, as OpenAI's API has it.
 */
export const chatRequestSchema = z
  .looseObject({
    ...gatewayShape,
    ...samplingShape,
    messages: z.array(chatMessageSchema).min(1).nullish(),
    /** Legacy: stands for one user message. */
    prompt: z.string().nullish(),
    max_completion_tokens: z.int().min(1).nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    tools: z.array(tool).nullish(),
    tool_choice: toolChoice.nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    max_tool_calls: z.int().min(1).max(30).nullish(),
    stop_server_tools_when: z
      .array(z.looseObject({ type: z.string() }))
      .max(16)
      .nullish(),
    response_format: responseFormat.nullish(),
    structured_outputs: z.boolean().nullish(),
    reasoning: reasoning.nullish(),
    reasoning_effort: z.enum(REASONING_EFFORTS).nullish(),
    include_reasoning: z.boolean().nullish(),
    verbosity: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(),
    modalities: z
      .array(z.enum(['text', 'image', 'audio']))
      .max(3)
      .nullish(),
    image_config: z.record(z.string(), z.unknown()).nullish(),
    audio: z.looseObject({ voice: z.unknown(), format: z.string().nullish() }).nullish(),
    prediction: z.looseObject({ type: z.literal('content') }).nullish(),
    cache_control: z.looseObject({ type: z.literal('ephemeral'), ttl: z.enum(['5m', '1h']).nullish() }).nullish(),
    prompt_cache_key: z.string().max(1_024).nullish(),
    prompt_cache_options: z.looseObject({ mode: z.literal('explicit'), ttl: z.string().nullish() }).nullish(),
    debug: z.looseObject({ echo_upstream_body: z.boolean().nullish() }).nullish(),
    web_search_options: z.looseObject({}).nullish(),
  })
  .superRefine((request, context) => {
    if (!request.messages && typeof request.prompt !== 'string') {
      context.addIssue({ code: 'custom', path: ['messages'], message: 'expected an array of messages' });
    }
    const effort = request.reasoning?.effort;
    if (effort && request.reasoning_effort && effort !== request.reasoning_effort) {
      context.addIssue({ code: 'custom', path: ['reasoning_effort'], message: 'differs from reasoning.effort' });
    }
  });
