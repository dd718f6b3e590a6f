import { Metadata } from '@grpc/grpc-js';

const TRACEPARENT = 'traceparent';

/** What goes with a call beside its request: the `traceparent` of the caller's span, where it is recorded. */
export function callMetadata(traceparent: string | undefined): Metadata {
  const metadata = new Metadata();
  if (traceparent !== undefined) metadata.set(TRACEPARENT, traceparent);
  return metadata;
}

export function traceparentOf(metadata: Metadata): string | undefined {
  const [value] = metadata.get(TRACEPARENT);
  return typeof value === 'string' ? value : undefined;
}
