import type { z } from 'zod';
import { activityQuerySchema, activityResponseSchema } from '../openrouter/activity.js';
import {
  explanationQuerySchema,
  explanationResponseSchema,
  spendQuerySchema,
  spendResponseSchema,
  statementQuerySchema,
  statementResponseSchema,
} from '../finance/finance.js';
import { generationQuerySchema, generationResponseSchema, logsQuerySchema, logsResponseSchema } from '../openrouter/generations.js';
import {
  createKeyResponseSchema,
  createKeySchema,
  creditsResponseSchema,
  currentKeyResponseSchema,
  deleteKeyResponseSchema,
  keyResponseSchema,
  keysQuerySchema,
  keysResponseSchema,
  updateKeySchema,
} from '../openrouter/keys.js';
import {
  modelEndpointsResponseSchema,
  modelResponseSchema,
  modelsCountQuerySchema,
  modelsCountResponseSchema,
  modelsQuerySchema,
  modelsResponseSchema,
  retrievedModelSchema,
} from '../openrouter/models.js';
import { providersResponseSchema } from '../openrouter/providers.js';
import { routingDecisionResponseSchema } from '../openrouter/routing-decision.js';
import { chatChunkSchema, chatResultSchema, completionsResultSchema, embeddingsResultSchema } from '../openai/chat-response.js';
import { chatRequestSchema } from '../openai/chat-request.js';
import { completionsRequestSchema } from '../openai/completions-request.js';
import { embeddingsRequestSchema } from '../openai/embeddings-request.js';

export interface Operation {
  readonly operationId: string;
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** Below `/api/v1`, with `{parameters}`. */
  readonly path: string;
  readonly summary: string;
  /** Which keys may call it. */
  readonly access: 'public' | 'inference' | 'management' | 'any key';
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly response: z.ZodType;
  readonly status?: number;
  /** One `data:` event of the same operation with `stream: true`. */
  readonly streamEvent?: z.ZodType;
  /** Further media types of the answer. */
  readonly otherMediaTypes?: readonly string[];
}

/** Every operation of the public API, with the very schemas that validate it. */
export const OPERATIONS: readonly Operation[] = [
  {
    operationId: 'createChatCompletion',
    method: 'post',
    path: '/chat/completions',
    summary: 'Answers a conversation',
    access: 'inference',
    body: chatRequestSchema,
    response: chatResultSchema,
    streamEvent: chatChunkSchema,
  },
  {
    operationId: 'createCompletion',
    method: 'post',
    path: '/completions',
    summary: 'Completes a text',
    access: 'inference',
    body: completionsRequestSchema,
    response: completionsResultSchema,
    streamEvent: completionsResultSchema,
  },
  {
    operationId: 'createEmbeddings',
    method: 'post',
    path: '/embeddings',
    summary: 'Embeds texts',
    access: 'inference',
    body: embeddingsRequestSchema,
    response: embeddingsResultSchema,
  },
  {
    operationId: 'listModels',
    method: 'get',
    path: '/models',
    summary: 'Lists the models of the catalogue',
    access: 'public',
    query: modelsQuerySchema,
    response: modelsResponseSchema,
  },
  {
    operationId: 'countModels',
    method: 'get',
    path: '/models/count',
    summary: 'Counts the models that pass the filters',
    access: 'public',
    query: modelsCountQuerySchema,
    response: modelsCountResponseSchema,
  },
  {
    operationId: 'getModel',
    method: 'get',
    path: '/model/{author}/{slug}',
    summary: 'One model, by slug, alias or variant',
    access: 'public',
    response: modelResponseSchema,
  },
  {
    operationId: 'retrieveModel',
    method: 'get',
    path: '/models/{author}/{slug}',
    summary: 'One model, in the shape that OpenAI’s clients ask for; the id may be one escaped part of the path, too',
    access: 'public',
    response: retrievedModelSchema,
  },
  {
    operationId: 'listModelEndpoints',
    method: 'get',
    path: '/models/{author}/{slug}/endpoints',
    summary: 'The endpoints that serve a model',
    access: 'public',
    response: modelEndpointsResponseSchema,
  },
  { operationId: 'listProviders', method: 'get', path: '/providers', summary: 'Lists the providers', access: 'public', response: providersResponseSchema },
  {
    operationId: 'getGeneration',
    method: 'get',
    path: '/generation',
    summary: 'The accounting record of one request',
    access: 'any key',
    query: generationQuerySchema,
    response: generationResponseSchema,
  },
  {
    operationId: 'listLogs',
    method: 'get',
    path: '/logs',
    summary: 'Every request, newest first',
    access: 'any key',
    query: logsQuerySchema,
    response: logsResponseSchema,
    otherMediaTypes: ['text/csv'],
  },
  {
    operationId: 'listActivity',
    method: 'get',
    path: '/activity',
    summary: 'Usage per day and endpoint',
    access: 'management',
    query: activityQuerySchema,
    response: activityResponseSchema,
  },
  {
    operationId: 'listSpend',
    method: 'get',
    path: '/finance/spend',
    summary: 'What was charged, by day or month and by key, model, provider, app, user or tag; equal to the ledger',
    access: 'management',
    query: spendQuerySchema,
    response: spendResponseSchema,
    otherMediaTypes: ['text/csv'],
  },
  {
    operationId: 'getStatement',
    method: 'get',
    path: '/finance/statement',
    summary: "The account's month: opening balance, what moved it, closing balance",
    access: 'management',
    query: statementQuerySchema,
    response: statementResponseSchema,
    otherMediaTypes: ['text/csv', 'text/plain'],
  },
  {
    operationId: 'explainGeneration',
    method: 'get',
    path: '/finance/explain',
    summary: 'How one charge came about: meters, prices, postings, lease, attempts and margin',
    access: 'management',
    query: explanationQuerySchema,
    response: explanationResponseSchema,
    otherMediaTypes: ['text/plain'],
  },
  { operationId: 'getCredits', method: 'get', path: '/credits', summary: 'Credits bought and used', access: 'management', response: creditsResponseSchema },
  { operationId: 'getCurrentKey', method: 'get', path: '/key', summary: 'The calling key', access: 'any key', response: currentKeyResponseSchema },
  {
    operationId: 'listKeys',
    method: 'get',
    path: '/keys',
    summary: 'Lists the keys of the account',
    access: 'management',
    query: keysQuerySchema,
    response: keysResponseSchema,
  },
  {
    operationId: 'createKey',
    method: 'post',
    path: '/keys',
    summary: 'Creates a key',
    access: 'management',
    body: createKeySchema,
    response: createKeyResponseSchema,
    status: 201,
  },
  { operationId: 'getKey', method: 'get', path: '/keys/{hash}', summary: 'One key', access: 'management', response: keyResponseSchema },
  {
    operationId: 'updateKey',
    method: 'patch',
    path: '/keys/{hash}',
    summary: 'Changes a key',
    access: 'management',
    body: updateKeySchema,
    response: keyResponseSchema,
  },
  { operationId: 'deleteKey', method: 'delete', path: '/keys/{hash}', summary: 'Deletes a key', access: 'management', response: deleteKeyResponseSchema },
  {
    operationId: 'decideRouting',
    method: 'post',
    path: '/routing/decide',
    summary: 'What a chat request would be routed to, and why',
    access: 'any key',
    body: chatRequestSchema,
    response: routingDecisionResponseSchema,
  },
];
