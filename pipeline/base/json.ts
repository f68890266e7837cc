/**
 * A replacer for `JSON.stringify`. JSON has no infinite numbers and no NaN, so they become the strings `"Infinity"`,
 * `"-Infinity"` and `"NaN"`, which `Number()` reads back.
 */
export function nonFiniteAsText(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

/** Values that are nested deeper are damaged. */
const MAX_DEPTH = 64

/**
 * Returns a value that was parsed from a file. Throws an Error if its lists and objects are nested more than 64 deep:
 * whatever walks through it later would overflow the stack.
 */
export function checkDepth(value: unknown): unknown {
  for (let level: unknown[] = [value], depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH + 1) throw new Error(`it is nested more than ${MAX_DEPTH} deep`)
    const next: unknown[] = []
    for (const each of level)
      if (typeof each === 'object' && each !== null) for (const part of Object.values(each)) next.push(part)
    level = next
  }
  return value
}
