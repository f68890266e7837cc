import { z } from 'zod'
import type { Tensor } from '../formats/safetensors.js'

/** Schema for any number in a state, also for NaN and infinity, which `z.number()` rejects. */
export const anyNumber = z.custom<number>((value) => typeof value === 'number')

/** The numbers that JSON cannot represent, by their text. */
const specialNumbers = new Map([NaN, Infinity, -Infinity, -0].map((number) => [textOf(number), number]))

/**
 * Converts a state to JSON values. Copies arrays of numbers into `tensors` under their path (`model.W`) and refers to
 * them as `{ "$tensor": "model.W" }`. Writes numbers that JSON cannot represent as `{ "$number": "NaN" }`.
 */
export function writeState(value: unknown, path: string, tensors: Map<string, Tensor>): unknown {
  if (typeof value === 'number')
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: textOf(value) }
  if (isNumbers(value)) {
    tensors.set(path, { shape: [value.length], values: value.slice() })
    return { $tensor: path }
  }
  if (Array.isArray(value)) return value.map((part, i) => writeState(part, `${path}.${i}`, tensors))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, writeState(part, `${path}.${key}`, tensors)]),
  )
}

/** Converts the values of `writeState` back to a state. Throws an Error if a tensor is missing. */
export function readState(written: unknown, tensors: ReadonlyMap<string, Tensor>): unknown {
  if (Array.isArray(written)) return written.map((value) => readState(value, tensors))
  if (typeof written !== 'object' || written === null) return written
  const { $tensor, $number } = written as { $tensor?: unknown; $number?: unknown }
  if ($number !== undefined) return specialNumbers.get(String($number))
  if ($tensor === undefined)
    return Object.fromEntries(Object.entries(written).map(([key, value]) => [key, readState(value, tensors)]))
  const tensor = tensors.get(String($tensor))
  if (!tensor) throw new Error(`the array ${JSON.stringify($tensor)} is missing`)
  return tensor.values
}

function textOf(number: number): string {
  return Object.is(number, -0) ? '-0' : String(number)
}

function isNumbers(value: unknown): value is Tensor['values'] {
  return ArrayBuffer.isView(value) && !(value instanceof DataView)
}
