import { call } from './call'
import { CALLER_SLEEPS, TICKET, UNFINISHED } from './memory-map'
import { perform } from './phases'

/*
 * A phase is a number of independent items. The calling thread offers them in one 64-bit word, `TICKET`. A thread that
 * decrements the number of items in it may do item `left - 1`, and decrements `UNFINISHED` when it has done it. The
 * calling thread works too and returns when `UNFINISHED` is 0, so it never waits for a worker that has taken no item:
 * a worker that sleeps, starts late or has died costs no time.
 *
 * Which thread does which item depends on chance. The result of an item does not depend on the thread.
 *
 * Threads only spin here. They sleep and wake in JavaScript (`arena.ts` and `worker.ts`), because V8 11.3 compiles
 * `memory.atomic.wait32` wrongly: its baseline code spills a 32-bit address as 64 bits and overwrites a local variable.
 */

/** About 50 µs: longer than the pause between two steps of a training loop, too short to matter to other programs. */
const WORKER_SPINS: u32 = 40000
/** Longer than most items take. To sleep and wake costs several µs on both sides. */
const CALLER_SPINS: u32 = 100000

/** Number of phases offered so far. */
let phases: i64 = 0

/** Does all items of a phase on the calling thread. */
export function performAll(phase: u32, items: u32): void {
  for (let item: u32 = 0; item < items; item++) perform(phase, item, 0)
}

/** Offers the items of a phase to all threads. */
export function offer(phase: u32, items: u32): void {
  call.phase = phase
  atomic.store<u32>(UNFINISHED, items)
  atomic.store<i64>(TICKET, (++phases << 32) | <i64>items)
}

/** Works on the offered phase on the calling thread. Returns false if workers are still busy with items they took. */
export function share(): bool {
  drain(0)
  let spins = CALLER_SPINS
  while (atomic.load<u32>(UNFINISHED) && --spins);
  return !atomic.load<u32>(UNFINISHED)
}

/**
 * Works on phases on worker `thread`, from 1. Returns if there has been nothing to do for a while, or if the calling
 * thread sleeps.
 */
export function serve(thread: u32): void {
  let spins = WORKER_SPINS
  while (--spins) {
    if (!hasItems()) continue
    drain(thread)
    if (atomic.load<u32>(CALLER_SLEEPS)) return
    spins = WORKER_SPINS
  }
}

/** Returns whether the ticket has items that no thread has taken. */
export function hasItems(): bool {
  return <u32>atomic.load<i64>(TICKET) != 0
}

/** Takes items and does them until no item is left. */
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
