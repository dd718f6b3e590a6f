import { ConfigError } from '@switchyard/config';

/** Why a server does not listen. A host that nobody knows is a wrong setting; its error is that of a database whose name is not known at the moment, which is waited for. */
export function listenFailure(error: unknown, { env, host }: { readonly env: string; readonly host: string }): Error {
  const failure = error as NodeJS.ErrnoException;
  return failure.syscall === 'getaddrinfo' ? new ConfigError([{ env, message: `="${host}" cannot be listened on: ${failure.message}` }]) : failure;
}
