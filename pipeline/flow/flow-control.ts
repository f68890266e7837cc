/** How long work may go on before the event loop gets a turn, in milliseconds. */
const STRETCH = 15

/** A stage that can have work under way. */
export interface Worker {
  isBusy(): boolean
}

/** One source that is handing out its items. */
export interface Pump {
  readonly flow: Worker
  /** True while it waits before its next item. */
  isIdle: boolean
}

/** What the flows of one run share: the abort signal, who waits for a hold to end, and who wants a quiet moment. */
export class FlowControl {
  /** Asked for before every table, which a signal's own property is too slow for. */
  isAborted: boolean
  /** How often a hold began or ended. */
  changes = 0
  private waiting: (() => void)[] = []
  private since = Date.now()
  private readonly flows: Worker[] = []
  private readonly pumps = new Set<Pump>()
  private settling: ((isQuiet: boolean) => void)[] = []

  constructor(signal: AbortSignal) {
    this.isAborted = signal.aborted
    const abort = (): void => {
      this.isAborted = true
      this.wake()
    }
    signal.addEventListener('abort', abort, { once: true })
  }

  holdChanged(isEnd: boolean): void {
    this.changes++
    if (isEnd) this.wake()
  }

  wake(): void {
    if (this.waiting.length === 0) return
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume()
  }

  changed(): Promise<void> {
    return new Promise((resume) => this.waiting.push(resume))
  }

  /**
   * Calls back at the next quiet moment: each source is about to give its next item, or its end, and no stage has work
   * of its own. With `false`, and perhaps at once, where no source has anything to give: nothing is quiet then.
   */
  settle(callback: (isQuiet: boolean) => void): void {
    this.settling.push(callback)
    if (this.pumps.size === 0) this.settled(false)
  }

  get isSettling(): boolean {
    return this.settling.length > 0
  }

  /** True where no quiet moment is wanted, or where this is it. */
  mayGoOn(): boolean {
    if (this.settling.length === 0) return true
    if (!this.isQuiet()) return false
    this.settled(true)
    return true
  }

  private isQuiet(): boolean {
    for (const pump of this.pumps) if (!pump.isIdle) return false
    return this.flows.every((flow) => !flow.isBusy() || [...this.pumps].some((pump) => pump.flow === flow))
  }

  private settled(isQuiet: boolean): void {
    const callbacks = this.settling
    this.settling = []
    for (const callback of callbacks) callback(isQuiet)
    this.wake()
  }

  join(flow: Worker): void {
    this.flows.push(flow)
  }

  enter(flow: Worker): Pump {
    const pump = { flow, isIdle: false }
    this.pumps.add(pump)
    return pump
  }

  leave(pump: Pump): void {
    this.pumps.delete(pump)
    if (this.pumps.size === 0 && this.isSettling) this.settled(false)
  }

  yieldToEventLoop(): Promise<void> | undefined {
    // A clock that was set back must not keep the event loop waiting until it has caught up.
    if (Math.abs(Date.now() - this.since) < STRETCH) return undefined
    return new Promise((resume) =>
      setImmediate(() => {
        this.since = Date.now()
        resume()
      }),
    )
  }
}
