/**
 * Folder of providers' recorded answers, which are not ours to ship: `SWITCHYARD_CORPORA`. Undefined when it is not
 * set; specs over them then say how to run them.
 */
export function recordedAnswersFolder(): string | undefined {
  const folder = process.env['SWITCHYARD_CORPORA'];
  return folder === undefined || folder === '' ? undefined : folder;
}
