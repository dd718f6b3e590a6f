import { csvText, type PublicGeneration } from '@switchyard/api';

/** Columns of the per-call log as CSV, in this order. */
export const CSV_COLUMNS = [
  'created_at',
  'id',
  'status',
  'api_type',
  'model',
  'provider_name',
  'streamed',
  'tokens_prompt',
  'tokens_completion',
  'native_tokens_reasoning',
  'native_tokens_cached',
  'usage',
  'latency',
  'generation_time',
  'finish_reason',
  'error_type',
  'api_key_hash',
  'external_user',
  'session_id',
  'app_title',
  'http_referer',
  'workspace_id',
  'request_id',
  'upstream_id',
] as const satisfies readonly (keyof PublicGeneration)[];

export function generationsCsv(generations: readonly PublicGeneration[]): string {
  return csvText(
    CSV_COLUMNS,
    generations.map((generation) => CSV_COLUMNS.map((column) => cell(generation[column]))),
  );
}

function cell(value: string | number | boolean | null | undefined): string | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'number' ? decimal(value) : String(value);
}

/** Small amounts without exponent, which spreadsheets and `awk` misread. */
function decimal(value: number): string {
  const text = String(value);
  return text.includes('e') ? value.toFixed(15).replace(/0+$/, '').replace(/\.$/, '') : text;
}
