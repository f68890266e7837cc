import { once } from 'node:events'
import { type MessagePort, Worker } from 'node:worker_threads'

/** The module under test, for code that is started elsewhere. */
export const lockModule = new URL('../../../dist/pipeline/files/lock.js', import.meta.url).href

/**
 * The program of a thread that takes locks. Before each file operation in the directory, it waits until it is its turn:
 * `turn[0]` is 1 if it may go on, and `turn[1]` is 1 while it waits.
 */
const program = `
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
const turn = new Int32Array(workerData)
let directory
let operations = 0
for (const name of ['openSync', 'writeSync', 'closeSync', 'renameSync', 'unlinkSync', 'readdirSync', 'readSync']) {
  const original = fs[name]
  fs[name] = (...given) => {
    const isHere = typeof given[0] === 'number' || String(given[0]).startsWith(directory)
    if (directory === undefined || !isHere) return original(...given)
    operations++
    Atomics.store(turn, 1, 1)
    Atomics.notify(turn, 1)
    Atomics.wait(turn, 0, 0)
    Atomics.store(turn, 0, 0)
    return original(...given)
  }
}
syncBuiltinESMExports()
const { lockDirectory } = await import(${JSON.stringify(lockModule)})
parentPort.postMessage('ready')
parentPort.on('message', (given) => {
  operations = 0
  let lock = ''
  directory = given
  try {
    lockDirectory(directory)
    directory = undefined
    lock = fs.readFileSync(given + '/lock', 'utf8')
  } catch (error) {
    if (error.code !== 'ARGUMENTS') lock = 'unexpected: ' + error.stack
  }
  directory = undefined
  parentPort.postMessage({ lock, operations })
  Atomics.store(turn, 1, 2)
  Atomics.notify(turn, 1)
})
`

/** A thread that takes locks, and waits for its turn before each file operation. */
interface Contender {
  readonly worker: Worker
  readonly turn: Int32Array
}

/** Lets threads take a lock in an order of file operations that a test gives. */
export class Scheduler {
  private readonly contenders: readonly Contender[]

  private constructor(contenders: readonly Contender[]) {
    this.contenders = contenders
  }

  /** Starts so many threads. */
  static async start(count: number): Promise<Scheduler> {
    const contenders = Array.from({ length: count }, (): Contender => {
      const turn = new Int32Array(new SharedArrayBuffer(8))
      const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`)
      return { worker: new Worker(url, { workerData: turn.buffer, execArgv: [] }), turn }
    })
    await Promise.all(contenders.map(({ worker }) => once(worker as unknown as MessagePort, 'message')))
    return new Scheduler(contenders)
  }

  /**
   * Lets every thread try to lock a directory. `turns` says whose file operation comes next; after that, all take
   * turns. Returns the lock files of those who have got it, and how many operations the first one made.
   */
  async play(directory: string, turns: readonly number[]): Promise<{ holders: string[]; operations: number }> {
    const results = this.contenders.map(async ({ worker, turn }) => {
      turn.fill(0)
      const result = once(worker as unknown as MessagePort, 'message')
      worker.postMessage(directory)
      const [message] = (await result) as [{ lock: string; operations: number }]
      return message
    })
    for (const next of turns) await this.step(next)
    for (let isDone = false; !isDone; ) {
      isDone = true
      for (let i = 0; i < this.contenders.length; i++) if (await this.step(i)) isDone = false
    }
    const found = await Promise.all(results)
    return { holders: found.map(({ lock }) => lock).filter(Boolean), operations: found[0]!.operations }
  }

  /** Lets a thread make one file operation. Returns false if it has ended. */
  private async step(index: number): Promise<boolean> {
    const { turn } = this.contenders[index]!
    const waiting = Atomics.waitAsync(turn, 1, 0)
    if (waiting.async) await waiting.value
    if (Atomics.load(turn, 1) === 2) return false
    Atomics.store(turn, 1, 0)
    Atomics.store(turn, 0, 1)
    Atomics.notify(turn, 0)
    return true
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    await Promise.all(this.contenders.map(({ worker }) => worker.terminate()))
  }
}
