/** JSON values, every one checked to be what a reader says.
 *
 * Same rules as `runtime/base/typed_json.py` of the Python package: unknown fields are left out.
 */

import decisions from "../decisions";

/** A value is missing or of another type; says the name of its field. */
export class MalformedError extends Error {
  constructor(readonly field: string) {
    super(field);
  }
}

/** A text is none of those known. */
export class UnknownValueError extends Error {
  constructor(
    readonly field: string,
    readonly value: string,
  ) {
    super(field);
  }
}

/** Turns a JSON value, `undefined` where it is missing, into what it says. */
export type Read<T> = (value: unknown, field: string) => T;

export const text: Read<string> = plain((value) => typeof value === "string");
export const flag: Read<boolean> = plain((value) => typeof value === "boolean");
export const real: Read<number> = plain(isNumber);
export const whole: Read<number> = plain((value) => isNumber(value) && Number.isInteger(value));
export const anything: Read<unknown> = plain((value) => value !== undefined);

export function oneOf<T extends string>(...known: readonly T[]): Read<T> {
  return (value, field) => {
    const found = text(value, field);
    if (!known.includes(found as T)) throw new UnknownValueError(field, found);
    return found as T;
  };
}

export function nullable<T>(read: Read<T>): Read<T | null> {
  return (value, field) => (value === null ? null : read(value, field));
}

export function optional<T>(read: Read<T>, otherwise: T): Read<T> {
  return (value, field) => (value === undefined ? otherwise : read(value, field));
}

export function list<T>(read: Read<T>): Read<T[]> {
  return (value, field) => {
    if (!Array.isArray(value)) throw new MalformedError(field);
    return value.map((one) => read(one, field));
  };
}

export const pair: Read<[number, number]> = (value, field) => {
  const [first, second, ...more] = list(whole)(value, field);
  if (second === undefined || more.length) throw new MalformedError(field);
  return [first, second];
};

/** A map, so that no name is mistaken for one that every object has. */
export function dictionary<T>(read: Read<T>): Read<Map<string, T>> {
  return (value, field) => {
    const entries = Object.entries(object(value, field));
    return new Map(entries.map(([key, one]) => [key, read(one, field)]));
  };
}

type Fields = Record<string, Read<unknown>>;

export function record<F extends Fields>(fields: F): Read<{ [K in keyof F]: ReturnType<F[K]> }> {
  return (value, field) => {
    const found = object(value, field);
    const entries = Object.entries(fields).map(([name, read]) => {
      const given = Object.hasOwn(found, name) ? found[name] : undefined;
      return [name, read(given, field ? `${field}.${name}` : name)];
    });
    return Object.fromEntries(entries) as { [K in keyof F]: ReturnType<F[K]> };
  };
}

export function object(value: unknown, field: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new MalformedError(field);
}

function plain<T>(fits: (value: unknown) => boolean): Read<T> {
  return (value, field) => {
    if (!fits(value)) throw new MalformedError(field);
    return value as T;
  };
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value < decisions.format.largest_number.value;
}
