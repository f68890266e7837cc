/** How long work may go on before the event loop gets a turn, in milliseconds. */
const STRETCH = 15

/** What the flows of one run share: the abort signal, and who waits for a hold to end. */
export class FlowControl {
  readonly signal: AbortSignal
  /** How often a hold began or ended. */
  changes = 0
  private waiting: (() => void)[] = []
  private since = Date.now()

  constructor(signal: AbortSignal) {
    this.signal = signal
    signal.addEventListener('abort', () => this.wake(), { once: true })
  }

  changed(isEnd: boolean): void {
    this.changes++
    if (isEnd) this.wake()
  }

  private wake(): void {
    if (this.waiting.length === 0) return
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume()
  }

  nextEnd(): Promise<void> {
    return new Promise((resume) => this.waiting.push(resume))
  }

  breathe(): Promise<void> | undefined {
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
