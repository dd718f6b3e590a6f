/** https://grpc.io/docs/guides/status-codes/, by number. */
const STATUSES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** What a service answers through no fault of its caller, as the semantic conventions have it. */
const SERVER_FAILURES: ReadonlySet<string> = new Set(['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS']);

/** The status's name; `UNKNOWN` for what is none. */
export function rpcStatusName(code: number): string {
  return STATUSES[code] ?? 'UNKNOWN';
}

/** Whether the service that answered with this status failed. */
export function isServerFailure(statusName: string): boolean {
  return SERVER_FAILURES.has(statusName);
}
