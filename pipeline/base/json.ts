/**
 * A replacer for `JSON.stringify`. JSON has no infinite numbers and no NaN, so they become the strings `"Infinity"`,
 * `"-Infinity"` and `"NaN"`, which `Number()` reads back.
 */
export function nonFiniteAsText(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
