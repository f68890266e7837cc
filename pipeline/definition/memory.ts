import { byteSizeForm, parseByteSize } from '../base/byte-size.js'
import type { Problem } from '../base/errors.js'
import { formatOrigin, isResolved, showValue, type Value } from './value.js'

/** The smallest limit, in bytes. Windows could not be smaller. */
const LEAST = 1e6

/** Reads `memory:`, in bytes; undefined if there is none. Adds its mistake to `problems`. */
export function memoryOf(value: Value | undefined, problems: Problem[]): number | undefined {
  if (!value || !isResolved(value)) return undefined
  const { data } = value
  const bytes = typeof data === 'number' || typeof data === 'string' ? parseByteSize(String(data)) : undefined
  if (bytes !== undefined && bytes >= LEAST) return bytes
  problems.push({
    where: formatOrigin(value.origin),
    message: `memory: expected ${byteSizeForm}, 1MB or more, got ${showValue(value)}`,
  })
  return undefined
}
