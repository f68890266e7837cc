/** How long a source may go on emitting before the event loop gets a turn, in milliseconds. */
const LONGEST_STRETCH = 15

/** A stage that can be busy with a table. */
export interface Worker {
  /** Whether the stage is working on a table now. */
  isBusy(): boolean
}

/** What an observer of a run asks the backpressure of a stage. */
export interface FlowActivity {
  /** Called whenever `isActive` may have changed. */
  onActivity: (() => void) | undefined
  /** Whether the stage works now: it emits as a source, or an asynchronous call of it is under way. */
  isActive(): boolean
  /** Number of tables that it is working on or that wait for that. */
  inFlight(): number
  /** The most that were in flight at one time. */
  readonly mostInFlight: number
}

/** One source that is emitting its items. */
export interface Pump {
  /** The stage that emits them. */
  readonly flow: Worker
  /** True while the source waits before its next item. */
  isIdle: boolean
}

/** Called at a quiet moment. The sources go on once all that it returns has resolved; it must not reject. */
export type Settled = (isQuiet: boolean) => Promise<void> | undefined | void

/** What the flows of one run share: the abort signal, the waiting sources, and the callbacks for a quiet moment. */
export class FlowControl {
  /** Whether the sources must end. A plain field, because `signal.aborted` is too slow to read before every table. */
  isAborted: boolean
  /** Counts how often a stage became busy, or less busy. */
  changes = 0
  private waiting: (() => void)[] = []
  private lastTurn = Date.now()
  private readonly flows: Worker[] = []
  private readonly pumps = new Set<Pump>()
  private settling: Settled[] = []
  /** Callbacks that have been called and are still at work. */
  private working = 0

  constructor(signal: AbortSignal) {
    this.isAborted = signal.aborted
    const abort = (): void => {
      this.isAborted = true
      this.wake()
    }
    signal.addEventListener('abort', abort, { once: true })
  }

  /** Tells that a stage has taken a table, or is done with one. */
  holdChanged(isEnd: boolean): void {
    this.changes++
    if (isEnd) this.wake()
  }

  /** Wakes all sources that wait for `changed`. */
  wake(): void {
    if (this.waiting.length === 0) return
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume()
  }

  /** Resolves when a stage is done with a table, or at an abort. */
  changed(): Promise<void> {
    return new Promise((resume) => this.waiting.push(resume))
  }

  /**
   * Calls back at the next quiet moment: each source is about to emit its next item, or its end, and no other stage is
   * busy. The moment lasts until the promise of the callback has resolved, if it returns one. If all sources have ended, no
   * such moment comes: the callback then gets false, possibly before this returns.
   */
  settle(callback: Settled): void {
    this.settling.push(callback)
    if (this.pumps.size === 0) this.callSettled(false)
  }

  /** Whether a callback waits for a quiet moment, or is at work in one. */
  get isSettling(): boolean {
    return this.settling.length > 0 || this.working > 0
  }

  /**
   * Whether a source may emit its next item. False while callbacks wait for a quiet moment. If this is the moment, calls
   * them and returns true.
   */
  mayGoOn(): boolean {
    if (!this.isSettling) return true
    if (this.working > 0 || !this.isQuiet()) return false
    this.callSettled(true)
    return !this.isSettling
  }

  private isQuiet(): boolean {
    for (const pump of this.pumps) if (!pump.isIdle) return false
    return this.flows.every((flow) => !flow.isBusy() || [...this.pumps].some((pump) => pump.flow === flow))
  }

  private callSettled(isQuiet: boolean): void {
    const callbacks = this.settling
    this.settling = []
    for (const callback of callbacks) {
      const work = callback(isQuiet)
      if (!work) continue
      this.working++
      work.finally(() => {
        this.working--
        this.wake()
      })
    }
    this.wake()
  }

  /** Adds a stage to the run. */
  join(flow: Worker): void {
    this.flows.push(flow)
  }

  /** Tells that a stage begins to emit items. */
  enter(flow: Worker): Pump {
    const pump = { flow, isIdle: false }
    this.pumps.add(pump)
    return pump
  }

  /** Tells that a source has emitted its last item. */
  leave(pump: Pump): void {
    this.pumps.delete(pump)
    if (this.pumps.size === 0 && this.isSettling) this.callSettled(false)
  }

  /** As in `Flow`. */
  yieldToEventLoop(): Promise<void> | undefined {
    // `Math.abs`: if the clock is set back, the event loop must not wait until it has caught up.
    if (Math.abs(Date.now() - this.lastTurn) < LONGEST_STRETCH) return undefined
    return new Promise((resume) =>
      setImmediate(() => {
        this.lastTurn = Date.now()
        resume()
      }),
    )
  }
}
