import type { ContractFile } from './contract-file.js';

/** What a person needs for the first request. The `curl` works as pasted. */
export function announcement(contract: ContractFile, details: { readonly elapsed: string; readonly isSimulated: boolean; readonly logFolder: string }): string {
  const body = JSON.stringify({ model: contract.model, messages: [{ role: 'user', content: 'Say hello!' }] });
  return `
Switchyard is ready after ${details.elapsed}.

  Base URL        ${contract.baseUrl}${contract.ingressUrls.length > 1 ? `\n  More ingresses  ${contract.ingressUrls.slice(1).join(' ')}` : ''}
  API key         ${contract.apiKey}
  Management key  ${contract.managementKey}
  Providers       ${details.isSimulated ? 'simulated; set OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY … for real ones' : 'real, those whose keys are set'}
  Logs            ${details.logFolder}

Try it:

  curl ${contract.baseUrl}/chat/completions -H 'Authorization: Bearer ${contract.apiKey}' -d '${body}'

Ctrl-C stops everything.
`;
}
