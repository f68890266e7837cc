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
 * Words that are written by different threads lie on different cache lines.
 */
const TICKET: usize = 256
const UNFINISHED: usize = 320
const CALLER_WAITS: usize = 384
const SIGNAL: usize = 448
const SLEEPERS: usize = 512
/** 1: workers shall end. */
const CLOSING: usize = 576
/** 1: a worker has failed. */
const FAILED: usize = 640

/** About 50 µs: longer than the pause between two steps of a training loop, shorter than anyone minds. */
const WORKER_SPINS: u32 = 40000
/** Longer than most items take; a futex costs both sides several µs. */
const CALLER_SPINS: u32 = 100000
const PATIENCE: i64 = 100_000_000
const PATIENCE_ROUNDS: u32 = 100

let phases: i64 = 0

/** `run` is done. */
const DONE: i32 = 0
/** A worker has failed, or has kept an item for ten seconds (an item takes milliseconds at most). */
const LOST: i32 = 1

/** Performs a phase on the calling thread and whichever workers come. With `alone`, on the calling thread only. */
export function run(phase: u32, items: u32, alone: bool): i32 {
  if (alone) {
    for (let item: u32 = 0; item < items; item++) perform(phase, item, 0)
    return DONE
  }
  call.phase = phase
  atomic.store<u32>(UNFINISHED, items)
  atomic.store<i64>(TICKET, (++phases << 32) | <i64>items)
  if (atomic.load<u32>(SLEEPERS)) wake()
  drain(0)
  return settle()
}

/** The life of worker `thread`, 1 and up. */
export function serve(thread: u32): void {
  while (!atomic.load<u32>(CLOSING)) {
    let spins = WORKER_SPINS
    while (<u32>atomic.load<i64>(TICKET) == 0 && --spins);
    if (spins) drain(thread)
    else sleep()
  }
}

/** Wakes all workers: to work, or to end. */
export function wake(): void {
  atomic.add<u32>(SIGNAL, 1)
  atomic.notify(SIGNAL, -1)
}

function sleep(): void {
  const signal = atomic.load<i32>(SIGNAL)
  atomic.add<u32>(SLEEPERS, 1)
  // Looks again now that the caller knows of a sleeper: what came in between would wake nobody.
  if (<u32>atomic.load<i64>(TICKET) == 0 && !atomic.load<u32>(CLOSING)) atomic.wait<i32>(SIGNAL, signal, -1)
  atomic.sub<u32>(SLEEPERS, 1)
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
    if (atomic.sub<u32>(UNFINISHED, 1) == 1 && thread && atomic.load<u32>(CALLER_WAITS)) atomic.notify(UNFINISHED, 1)
    ticket = atomic.load<i64>(TICKET)
  }
}

/** Waits until no item is unfinished. */
function settle(): i32 {
  let spins = CALLER_SPINS
  while (atomic.load<u32>(UNFINISHED) && --spins);
  if (spins) return DONE
  atomic.store<u32>(CALLER_WAITS, 1)
  let last: u32 = 0
  let rounds: u32 = 0
  let left = atomic.load<u32>(UNFINISHED)
  while (left && rounds < PATIENCE_ROUNDS && !atomic.load<u32>(FAILED)) {
    rounds = left == last ? rounds + 1 : 0
    last = left
    atomic.wait<i32>(UNFINISHED, left, PATIENCE)
    left = atomic.load<u32>(UNFINISHED)
  }
  atomic.store<u32>(CALLER_WAITS, 0)
  return left ? LOST : DONE
}
