/*
 * What lies where at the start of the memory, in bytes. `layout.mjs` generates the JavaScript side from this file,
 * `call.ts` and `phases.ts`.
 *
 * Threads use the words from `TICKET` to `FAILED` to coordinate. Different threads write them, so each lies on a cache
 * line of its own.
 */

/** The fields of `Call`. */
export const CALL: usize = 64

/** 64 bits. Upper half: number of phases offered so far. Lower half: number of items that no thread has taken yet. */
export const TICKET: usize = 256

/** Number of items that are not finished. */
export const UNFINISHED: usize = 320

/** 1 while the calling thread sleeps. It sleeps until `UNFINISHED` is 0. */
export const CALLER_SLEEPS: usize = 384

/** A counter on which workers sleep. The calling thread increments it to wake them. */
export const WAKE_UPS: usize = 448

/** Number of workers that are asleep. */
export const SLEEPERS: usize = 512

/** 1 if the workers must end. */
export const CLOSING: usize = 576

/** 1 if a worker has failed. */
export const FAILED: usize = 640

/** The error message of that worker: its length in bytes, then the message in UTF-8, which ends before `CONSTANTS`. */
export const MESSAGE_LENGTH: usize = 704
export const MESSAGE: usize = 708

/** The constants of the module begin here: the option `--memoryBase` of the compiler, in package.json. */
export const CONSTANTS: u32 = 1024

/** The memory that JavaScript allocates begins here. */
export const HEAP_START: u32 = 65536
