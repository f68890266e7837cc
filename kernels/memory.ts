import { constants } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'

/* The error for a failed allocation, the same for every kernel. */

const CODE = 'OUT_OF_MEMORY'

/**
 * Larger allocations are compared with the memory of the machine first, because operating systems may grant more memory
 * than the machine has.
 */
const CHECKED_BYTES = 2 ** 30

/** Makes a RangeError that says how much memory was requested, and what to do. `isOutOfMemory` recognises it. */
export function outOfMemory(
  bytes: number,
  reason = 'the machine does not have that much memory left; use fewer rows, features or classes, or a larger machine',
): RangeError {
  return Object.assign(new RangeError(`cannot allocate ${bytes} bytes: ${reason}`), { code: CODE })
}

/** Whether an error is an `outOfMemory`. */
export function isOutOfMemory(error: unknown): error is RangeError {
  return error instanceof RangeError && (error as { code?: unknown }).code === CODE
}

/** The most elements that a typed array has in this version of Node. */
const MOST_ELEMENTS = constants.MAX_LENGTH

/** Throws an `outOfMemory` if an array of `length` elements and `bytes` bytes is longer than Node allows. */
export function checkLength(length: number, bytes: number): void {
  if (length > MOST_ELEMENTS)
    throw outOfMemory(
      bytes,
      `an array of Node ${process.versions.node} has ${MOST_ELEMENTS} elements at most, this one would have ${length}; ` +
        'use fewer rows, features or classes, or a newer version of Node',
    )
}

/** Calls `make`, which allocates about `bytes` and does nothing else. Throws an `outOfMemory` if that fails. */
export function allocating<T>(bytes: number, make: () => T): T {
  if (bytes > CHECKED_BYTES && bytes > totalmem()) throw outOfMemory(bytes)
  try {
    return make()
  } catch (error) {
    // Typed arrays, shared memory and WebAssembly throw plain RangeErrors if an allocation fails.
    throw error instanceof RangeError && !isOutOfMemory(error) ? outOfMemory(bytes) : error
  }
}

/** The addresses that a thread of Node reserves, in bytes, with some to spare. */
const THREAD_ADDRESSES = 2 ** 30

/**
 * Throws an `outOfMemory` if the process has not enough addresses left (`ulimit -v`) for so many threads. V8 would end
 * the process while it starts them.
 */
export function checkRoomForThreads(count: number): void {
  const bytes = count * THREAD_ADDRESSES
  if (count > 0 && bytes > addressesLeft())
    throw outOfMemory(
      bytes,
      `${count === 1 ? 'a thread needs' : `${count} threads need`} that many addresses, and the process may not have them; ` +
        'use fewer threads, or allow it more (ulimit -v)',
    )
}

/** How many bytes of addresses the process may still reserve; infinity if there is no limit, or none is known. */
function addressesLeft(): number {
  try {
    const [, limit] = /^Max address space +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    const [, used] = /^VmSize:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    return limit === undefined || used === undefined ? Number.POSITIVE_INFINITY : Number(limit) - 1024 * Number(used)
  } catch {
    // The system has no /proc.
    return Number.POSITIVE_INFINITY
  }
}
