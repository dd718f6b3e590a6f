import { API_TYPES, type ApiType } from '@switchyard/core';
import { CLIENT_DIALECTS, type AnswerIdentity, type ClientDialectName } from '@switchyard/dialects';
import type { ExchangeInput } from '@switchyard/dialects/provider';
import { SwitchyardError } from '@switchyard/errors';
import type { worker } from '@switchyard/proto';
import type { ProviderManifest } from '@switchyard/providers';

/** What a start frame asks for, as the dialects read it. @throws SwitchyardError `server` for names that this version does not know. */
export function exchangeInput(start: worker.StartFrame, endpoint: worker.AttemptEndpoint, manifest: ProviderManifest): ExchangeInput {
  return {
    clientDialect: clientDialectOf(start),
    apiType: apiTypeOf(start.apiType),
    body: start.body,
    stream: start.stream,
    maxOutputTokens: start.maxOutputTokens === undefined ? undefined : Number(start.maxOutputTokens),
    identity: identityOf(start),
    endpoint: {
      providerModelId: endpoint.providerModelId,
      supportedParameters: endpoint.supportedParameters,
      maxCompletionTokens: endpoint.maxCompletionTokens === undefined ? undefined : Number(endpoint.maxCompletionTokens),
      traits: endpoint.traits,
      inputModalities: endpoint.inputModalities,
    },
    manifest,
  };
}

/** The names that the rendered answer carries. */
export function identityOf(start: worker.StartFrame): AnswerIdentity {
  return {
    generationId: start.generationId,
    model: start.endpoint?.model ?? '',
    providerName: start.endpoint?.providerName ?? '',
    created: Number(start.created),
  };
}

/** @throws SwitchyardError `server` for a name that this version does not know. */
export function clientDialectOf(start: worker.StartFrame): ClientDialectName {
  const dialect = CLIENT_DIALECTS.find((name) => name === start.clientDialect);
  if (dialect === undefined) throw new SwitchyardError('server', `client dialect "${start.clientDialect}" is not known to this worker`);
  return dialect;
}

function apiTypeOf(name: string): ApiType {
  const apiType = API_TYPES.find((known) => known === name);
  if (apiType === undefined) throw new SwitchyardError('server', `API type "${name}" is not known to this worker`);
  return apiType;
}
