/**
 * A replacer for `JSON.stringify`. JSON has no infinite numbers and no NaN, so they become the strings `"Infinity"`,
 * `"-Infinity"` and `"NaN"`, which `Number()` reads back.
 */
export function nonFiniteAsText(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

/** Values that are nested deeper are damaged. */
export const MAX_DEPTH = 64

/**
 * Returns a value that was parsed from a file. Throws an Error if its lists and objects are nested more than 64 deep:
 * whatever walks through it later would overflow the stack.
 */
export function checkDepth(value: unknown): unknown {
  if (isDeeper(value, MAX_DEPTH)) throw new Error(`it is nested more than ${MAX_DEPTH} deep`)
  return value
}

/** Whether lists and objects are nested more than so many deep in a value. The value may be of any depth. */
export function isDeeper(value: unknown, limit: number): boolean {
  // Level by level: functions that call themselves, JSON.stringify among them, overflow the stack.
  let level = [value].filter(isNested)
  for (let depth = 0; depth < limit && level.length > 0; depth++)
    level = level.flatMap((each) => Object.values(each).filter(isNested))
  return level.length > 0
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
