import { isJsonObject, type CacheBreakpoint, type JsonObject, type JsonValue } from '@switchyard/core';
import { SwitchyardError } from '@switchyard/errors';

/** Reads typed fields of a request body; what has the wrong type becomes an `invalid_request` that names the field. Null counts as absent. */
export class RequestFields {
  constructor(
    readonly body: JsonObject,
    private readonly path = '',
  ) {}

  has(name: string): boolean {
    return this.body[name] !== undefined && this.body[name] !== null;
  }

  string(name: string, limits: { maxLength?: number } = {}): string | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string') throw this.wrong(name, 'a string');
    if (limits.maxLength !== undefined && value.length > limits.maxLength) throw this.wrong(name, `a string of at most ${limits.maxLength} characters`);
    return value;
  }

  requiredString(name: string): string {
    const value = this.string(name);
    if (value === undefined) throw this.wrong(name, 'a string');
    return value;
  }

  number(name: string, limits: { min?: number; max?: number; isInteger?: boolean } = {}): number | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, isInteger = false } = limits;
    if (typeof value === 'number' && value >= min && value <= max && (!isInteger || Number.isInteger(value))) return value;
    const bounds = [Number.isFinite(min) ? `at least ${min}` : '', Number.isFinite(max) ? `at most ${max}` : ''].filter((bound) => bound !== '').join(' and ');
    throw this.wrong(name, `${isInteger ? 'an integer' : 'a number'}${bounds === '' ? '' : ` of ${bounds}`}`);
  }

  boolean(name: string): boolean | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'boolean') throw this.wrong(name, 'true or false');
    return value;
  }

  object(name: string): JsonObject | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    if (!isJsonObject(value)) throw this.wrong(name, 'an object');
    return value;
  }

  array(name: string, limits: { maxLength?: number } = {}): JsonValue[] | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    if (!Array.isArray(value)) throw this.wrong(name, 'an array');
    if (limits.maxLength !== undefined && value.length > limits.maxLength) throw this.wrong(name, `an array of at most ${limits.maxLength}`);
    return value;
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.body[name];
    if (value === undefined || value === null) return undefined;
    const found = allowed.find((candidate) => candidate === value);
    if (found === undefined) throw this.wrong(name, `one of ${allowed.join(', ')}`);
    return found;
  }

  /** The objects of an array field, each with its own path for messages. */
  objects(name: string): RequestFields[] | undefined {
    return this.array(name)?.map((value, index) => {
      if (!isJsonObject(value)) throw this.wrong(`${name}[${index}]`, 'an object');
      return new RequestFields(value, `${this.path}${name}[${index}].`);
    });
  }

  inside(name: string): RequestFields | undefined {
    const value = this.object(name);
    return value && new RequestFields(value, `${this.path}${name}.`);
  }

  /** `cache_control` of Anthropic's shape, or OpenAI's `prompt_cache_breakpoint`. */
  cacheBreakpoint(): CacheBreakpoint | undefined {
    const control = this.inside('cache_control');
    if (control) return { ttl: control.oneOf('ttl', ['5m', '1h']) };
    return this.has('prompt_cache_breakpoint') ? {} : undefined;
  }

  wrong(name: string, expected: string): SwitchyardError {
    const param = `${this.path}${name}`;
    return new SwitchyardError('invalid_request', `${param} must be ${expected}.`, { metadata: { param } });
  }
}
