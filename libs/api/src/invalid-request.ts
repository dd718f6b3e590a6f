import { SwitchyardError } from '@switchyard/errors';
import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** One problem is told, and millions of wrong items would be as many in memory: nothing is judged beyond the first. */
export const UNTIL_FIRST_PROBLEM: z.core.ParseContextInternal<Issue> = { abortEarly: true };
type PathSegment = PropertyKey;

/**
 * The first and deepest problem that a schema found, as a 400 whose `param` names the field.
 * @example `messages.0.content: expected string, received number`
 */
export function invalidRequest(error: z.ZodError): SwitchyardError {
  const { path, message } = describeIssue(error.issues);
  const param = path.map(String).join('.');
  return new SwitchyardError('invalid_request', param === '' ? message : `${param}: ${message}`, { metadata: { param: param === '' ? null : param } });
}

/** Parses `value` or throws the 400 that says what is wrong with it. */
export function parseOrRefuse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value, UNTIL_FIRST_PROBLEM);
  if (!result.success) throw invalidRequest(result.error);
  return result.data;
}

function describeIssue(issues: readonly Issue[]): { path: PathSegment[]; message: string } {
  const issue = issues[0];
  if (!issue) return { path: [], message: 'invalid request' };
  if (issue.code === 'invalid_union') return describeUnion(issue.path, issue);
  if (issue.code === 'unrecognized_keys') {
    return { path: issue.path, message: `Unrecognized key(s) in object: ${issue.keys.map((key) => `'${key}'`).join(', ')}` };
  }
  return { path: issue.path, message: issue.message.replace(/^Invalid input: /, '') };
}

/** A union's own message says nothing: the branch that got furthest is the one that was meant. */
function describeUnion(path: PathSegment[], issue: Extract<Issue, { code: 'invalid_union' }>): { path: PathSegment[]; message: string } {
  if ('discriminator' in issue) return { path, message: issue.message.replace('Invalid discriminator value. Expected', 'expected one of') };
  const branches = issue.errors.filter((branch) => branch.length > 0).map((branch) => describeIssue(branch));
  const deepest = branches.reduce<(typeof branches)[number] | undefined>(
    (best, branch) => (best && best.path.length >= branch.path.length ? best : branch),
    undefined,
  );
  if (!deepest) return { path, message: 'invalid value' };
  if (deepest.path.length > 0) return { path: [...path, ...deepest.path], message: deepest.message };
  const messages = [...new Set(branches.map((branch) => branch.message))];
  return { path, message: messages.slice(0, 4).join('; or ') };
}
