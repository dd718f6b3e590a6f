import type { CredentialPort } from '@switchyard/proto';
import type { ProviderAccessBook } from './provider-access.js';

/** Tells which providers this worker can authenticate to; never a credential itself. */
export class CredentialService implements CredentialPort {
  constructor(private readonly providers: ProviderAccessBook) {}

  listProviderCredentials: CredentialPort['listProviderCredentials'] = (request) =>
    Promise.resolve({ providerSlugs: request.providerSlugs.filter((slug) => this.providers.hasCredential(slug)) });
}
