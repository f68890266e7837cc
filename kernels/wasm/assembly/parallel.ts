import { call } from './call'
import { perform } from './phases'

/*
 * A phase is a number of independent items. The calling thread offers them by one 64-bit word, `TICKET`: the number of
 * the phase above, the items left below. Whoever takes one off may work on item `left - 1`, and takes it off
 * `UNFINISHED` when it is done. The calling thread works as well and leaves when `UNFINISHED` is zero, so it never
 * waits for a worker that has taken nothing: workers that sleep, start late or have died cost no time.
 *
 * Which thread does which item is left to chance; what an item computes does not depend on it.
 *
 * All waiting here is spinning; sleeping and waking is JavaScript's, in `arena.ts` and `worker.ts`. (In V8 11.3, the
 * baseline code of `memory.atomic.wait32` overwrites a local variable: it spills a 32-bit address as 64 bits.)
 *
 * Words that are written by different threads lie on different cache lines.
 */
const TICKET: usize = 256
const UNFINISHED: usize = 320
/** 1: the caller sleeps until `UNFINISHED` is zero. */
const CALLER_SLEEPS: usize = 384

/** About 50 µs: longer than the pause between two steps of a training loop, shorter than anyone minds. */
const WORKER_SPINS: u32 = 40000
/** Longer than most items take: sleeping costs several µs on both sides. */
const CALLER_SPINS: u32 = 100000

let phases: i64 = 0

/** Performs a phase on the calling thread alone. */
export function performAll(phase: u32, items: u32): void {
  for (let item: u32 = 0; item < items; item++) perform(phase, item, 0)
}

/** Offers the items of a phase to all threads. */
export function offer(phase: u32, items: u32): void {
  call.phase = phase
  atomic.store<u32>(UNFINISHED, items)
  atomic.store<i64>(TICKET, (++phases << 32) | <i64>items)
}

/** The calling thread's share of a phase. Returns whether all items are done; if not, others are still at work. */
export function share(): bool {
  drain(0)
  let spins = CALLER_SPINS
  while (atomic.load<u32>(UNFINISHED) && --spins);
  return !atomic.load<u32>(UNFINISHED)
}

/** The share of worker `thread`, 1 and up. Returns when there has been nothing to do for a while, or the caller sleeps. */
export function serve(thread: u32): void {
  let spins = WORKER_SPINS
  while (--spins) {
    if (!hasItems()) continue
    drain(thread)
    if (atomic.load<u32>(CALLER_SLEEPS)) return
    spins = WORKER_SPINS
  }
}

/** Whether items are on offer. */
export function hasItems(): bool {
  return <u32>atomic.load<i64>(TICKET) != 0
}

function drain(thread: u32): void {
  let ticket = atomic.load<i64>(TICKET)
  while (<u32>ticket != 0) {
    const seen = atomic.cmpxchg<i64>(TICKET, ticket, ticket - 1)
    if (seen != ticket) {
      ticket = seen
      continue
    }
    perform(call.phase, <u32>ticket - 1, thread)
    atomic.sub<u32>(UNFINISHED, 1)
    ticket = atomic.load<i64>(TICKET)
  }
}
