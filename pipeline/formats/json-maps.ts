/** A JSON value. Objects are Maps. */
export type Json = string | number | boolean | null | readonly Json[] | ReadonlyMap<string, Json>

/**
 * Parses JSON from a file that may be hostile. Objects become Maps, so that no key can reach a prototype; they keep the
 * order of the keys. Throws an Error that names the offset if the text is not JSON, if an object has a key twice, or if
 * it is nested more than `depth` deep.
 */
export function parseJson(text: string, depth = 8): Json {
  let at = 0

  function fail(expected: string): Error {
    const found = at < text.length ? `"${text.slice(at, at + 20)}"` : 'the end'
    return new Error(`offset ${at}: expected ${expected}, found ${found}`)
  }

  function skipSpace(): void {
    while (at < text.length && ' \t\n\r'.includes(text[at]!)) at++
  }

  /** Skips `character` and the space around it. Returns false if the next character is another one. */
  function take(character: string): boolean {
    skipSpace()
    if (text[at] !== character) return false
    at++
    skipSpace()
    return true
  }

  function string(): string {
    const start = at
    if (text[at] !== '"') throw fail('a string')
    for (at++; text[at] !== '"'; at++) {
      if (text[at] === '\\') at++
      if (at >= text.length) throw fail('the end of a string')
    }
    at++
    return scalar(start) as string
  }

  /** Parses the token from `start` to the current offset. */
  function scalar(start: number): string | number | boolean | null {
    try {
      return JSON.parse(text.slice(start, at)) as string | number | boolean | null
    } catch {
      at = start
      throw fail('a value')
    }
  }

  function word(): number | boolean | null {
    const start = at
    while (at < text.length && /[-+.\w]/.test(text[at]!)) at++
    return scalar(start) as number | boolean | null
  }

  function object(left: number): ReadonlyMap<string, Json> {
    const entries = new Map<string, Json>()
    if (take('}')) return entries
    do {
      const start = at
      const key = string()
      if (entries.has(key)) throw new Error(`offset ${start}: duplicate key ${JSON.stringify(key)}`)
      if (!take(':')) throw fail('":"')
      entries.set(key, value(left))
    } while (take(','))
    if (!take('}')) throw fail('"," or "}"')
    return entries
  }

  function list(left: number): readonly Json[] {
    const items: Json[] = []
    if (take(']')) return items
    do items.push(value(left))
    while (take(','))
    if (!take(']')) throw fail('"," or "]"')
    return items
  }

  function value(left: number): Json {
    skipSpace()
    if (text[at] === '"') return string()
    const isObject = text[at] === '{'
    if (!isObject && text[at] !== '[') return word()
    if (left === 0) throw new Error(`offset ${at}: nested more than ${depth} deep`)
    take(text[at]!)
    return isObject ? object(left - 1) : list(left - 1)
  }

  const whole = value(depth)
  skipSpace()
  if (at < text.length) throw fail('the end')
  return whole
}
