type Schema = Readonly<Record<string, unknown>>;

const MOST_VALUES = 2_000;
const MOST_OPEN_REFERENCES = 32;
const USUAL_NUMBER = 7;
const USUAL_TEXT = 'sample';
const TEXT_BY_FORMAT: Readonly<Record<string, string>> = {
  'date-time': '2024-01-31T12:00:00Z',
  date: '2024-01-31',
  time: '12:00:00Z',
  duration: 'P1D',
  email: 'sample@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '123e4567-e89b-42d3-a456-426614174000',
};

/** A value that a JSON schema accepts, as far as its usual keywords go (not `pattern`); an empty object where there is no schema. */
export function instanceOf(schema: unknown): unknown {
  return new Instance(schema).of(schema);
}

class Instance {
  /** References that are being followed: one of them again would go on for ever. */
  private readonly open = ['#'];
  private valueCount = 0;

  constructor(private readonly root: unknown) {}

  of(schema: unknown): unknown {
    if (!isSchema(schema) || ++this.valueCount > MOST_VALUES) return {};
    const openBefore = this.open.length;
    const value = this.valueOf(this.resolved(schema));
    this.open.length = openBefore;
    return value;
  }

  /** With what it refers to, all that `allOf` says, and one of what it may be. */
  private resolved({ $ref: reference, allOf, anyOf, oneOf, ...own }: Schema): Schema {
    const parts = [...this.followed(reference), ...schemasIn(allOf), ...this.choice(anyOf), ...this.choice(oneOf)];
    return parts.reduce((whole, part) => merged(whole, this.resolved(part)), own);
  }

  /** A pointer such as `#/$defs/Step`. */
  private followed(reference: unknown): Schema[] {
    if (typeof reference !== 'string' || this.open.length > MOST_OPEN_REFERENCES) return [];
    this.open.push(reference);
    const names = reference.split('/').slice(1);
    const target = names.reduce((found: unknown, name) => (isSchema(found) ? found[name.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined), this.root);
    return isSchema(target) ? [target] : [];
  }

  /** The first that comes to an end. */
  private choice(choices: unknown): Schema[] {
    const all = schemasIn(choices);
    const chosen = all.find((each) => !this.isEndless(each)) ?? all[0];
    return chosen ? [chosen] : [];
  }

  private isEndless(schema: unknown): boolean {
    return isSchema(schema) && typeof schema['$ref'] === 'string' && this.open.includes(schema['$ref']);
  }

  private valueOf(schema: Schema): unknown {
    if (schema['const'] !== undefined) return schema['const'];
    const choices = schema['enum'];
    if (Array.isArray(choices) && choices.length > 0) return choices[0] as unknown;
    switch (typeOf(schema)) {
      case 'object':
        return this.object(schema);
      case 'array':
        return this.array(schema);
      case 'integer':
        return numberOf(schema, 1);
      case 'number':
        return numberOf(schema, undefined);
      case 'boolean':
        return true;
      case 'null':
        return null;
      default:
        return textOf(schema);
    }
  }

  private object({ properties, required, additionalProperties }: Schema): object {
    const known = isSchema(properties) ? properties : {};
    const demanded = new Set(Array.isArray(required) ? required.map(String) : []);
    const kept = Object.keys(known).filter((name) => demanded.has(name) || !this.isEndless(known[name]));
    const further = [...demanded].filter((name) => !Object.hasOwn(known, name));
    const anything = isSchema(additionalProperties) ? additionalProperties : {};
    return Object.fromEntries([...kept, ...further].map((name) => [name, this.of(Object.hasOwn(known, name) ? known[name] : anything)]));
  }

  private array({ items, prefixItems, minItems, maxItems }: Schema): unknown[] {
    const first = schemasIn(prefixItems);
    const least = Math.max(first.length, numberOr(minItems, this.isEndless(items) ? 0 : 1));
    const length = Math.min(least, numberOr(maxItems, least));
    return Array.from({ length }, (_, index) => this.of(first[index] ?? items));
  }
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function schemasIn(value: unknown): Schema[] {
  return Array.isArray(value) ? value.filter(isSchema) : [];
}

function merged(one: Schema, other: Schema): Schema {
  const properties = [one, other].map((schema) => schema['properties']).filter(isSchema);
  const required = [one, other].flatMap((schema): unknown[] => (Array.isArray(schema['required']) ? schema['required'] : []));
  return {
    ...other,
    ...one,
    ...(properties.length > 0 ? { properties: Object.assign({}, ...properties) as Schema } : {}),
    ...(required.length > 0 ? { required } : {}),
  };
}

/** In small letters: Google writes `STRING`. */
function typeOf({ type, properties, required, items, prefixItems }: Schema): string {
  const named: unknown = Array.isArray(type) ? type[0] : type;
  if (typeof named === 'string') return named.toLowerCase();
  if (properties !== undefined || required !== undefined) return 'object';
  return items !== undefined || prefixItems !== undefined ? 'array' : 'string';
}

function numberOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf }: Schema, ownStep: number | undefined): number {
  const [least, above] = [minimum, exclusiveMinimum].map((bound) => numberOr(bound, -Infinity)) as [number, number];
  const [most, below] = [maximum, exclusiveMaximum].map((bound) => numberOr(bound, Infinity)) as [number, number];
  const step = numberOr(multipleOf, ownStep ?? 0);
  const [low, high] = [Math.max(least, above), Math.min(most, below)];
  const near = Math.min(Math.max(USUAL_NUMBER, low), high);
  const multiple = Math.ceil(near / step) * step;
  const tries = step > 0 ? [multiple, multiple - step, multiple + step] : [near, (low + high) / 2, low + 1, high - 1];
  return tries.find((value) => Number.isFinite(value) && value >= least && value <= most && value > above && value < below) ?? near;
}

function textOf({ format, minLength, maxLength }: Schema): string {
  const text = TEXT_BY_FORMAT[String(format)] ?? USUAL_TEXT;
  return text.padEnd(numberOr(minLength, 0), text).slice(0, numberOr(maxLength, Infinity));
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
