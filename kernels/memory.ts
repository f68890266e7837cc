import { totalmem } from 'node:os'

/* Memory that cannot be had: the same error, with the same words, for every kernel. */

const CODE = 'OUT_OF_MEMORY'

/** Above this it is asked whether the machine has so much at all: systems promise what they cannot give. */
const WORTH_ASKING = 2 ** 30

/** A RangeError that says how much was asked for, and what to do; `isOutOfMemory` knows it. */
export function outOfMemory(
  bytes: number,
  reason = 'the machine does not have that much memory left; use fewer rows, features or classes, or a larger machine',
): RangeError {
  return Object.assign(new RangeError(`cannot allocate ${bytes} bytes: ${reason}`), { code: CODE })
}

/** Whether a kernel has thrown because it could not get memory. */
export function isOutOfMemory(error: unknown): error is RangeError {
  return error instanceof RangeError && (error as { code?: unknown }).code === CODE
}

/** Calls what allocates about `bytes` and does nothing else, and words its failure. Throws an `outOfMemory`. */
export function allocating<T>(bytes: number, make: () => T): T {
  if (bytes > WORTH_ASKING && bytes > totalmem()) throw outOfMemory(bytes)
  try {
    return make()
  } catch (error) {
    // Typed arrays, shared memory and WebAssembly throw plain RangeErrors where the system refuses.
    throw error instanceof RangeError && !isOutOfMemory(error) ? outOfMemory(bytes) : error
  }
}
