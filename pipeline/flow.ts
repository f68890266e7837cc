import {
  concatMap,
  finalize,
  from,
  Observable,
  type ObservableInput,
  type OperatorFunction,
  type Subscriber,
  tap,
} from 'rxjs'

/** How long work may go on before the event loop gets a turn, in milliseconds. */
const STRETCH = 15

/**
 * Pull, not flood: rxjs pushes, so whoever makes tables waits here while somebody downstream is busy.
 *
 * Each stage has its own Flow. A stage that works asynchronously does so through `concatMap`, which holds its inputs;
 * a stage that makes tables hands them out through `pull`, which waits while any stage below holds.
 */
export interface Flow {
  /**
   * Emits the items one by one, each when no stage downstream is busy, and gives the event loop a turn every 15 ms.
   * Ends early, without an error, when the run is stopped.
   */
  pull<T>(items: Iterable<T> | AsyncIterable<T>): Observable<T>
  /**
   * `concatMap` that holds what feeds this stage until the inner Observable (or Promise) is done: one table in flight.
   * What is ready at once is best returned as an array.
   * A stage with several inputs names the one it applies to, so that the others go on.
   */
  concatMap<T, R>(project: (value: T) => ObservableInput<R>, input?: string): OperatorFunction<T, R>
  /** Resolves at once, or after a turn of the event loop if the current stretch of work is long: await it in long loops. */
  breathe(): Promise<void> | undefined
}

/** What the flows of one run share: the abort signal, and who waits for a hold to end. */
export class FlowControl {
  readonly signal: AbortSignal
  private waiting: (() => void)[] = []
  private since = Date.now()

  constructor(signal: AbortSignal) {
    this.signal = signal
    signal.addEventListener('abort', () => this.wake(), { once: true })
  }

  wake(): void {
    const waiting = this.waiting
    this.waiting = []
    for (const resume of waiting) resume()
  }

  changed(): Promise<void> {
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

/** Stands for all inputs of a stage. */
const EVERY = ''

/** The Flow of one stage. */
export class StageFlow implements Flow {
  private readonly control: FlowControl
  private readonly downstream: { readonly stage: StageFlow; readonly input: string }[] = []
  /** Tables being worked on, by the input they came from. */
  private readonly held = new Map<string, number>()

  constructor(control: FlowControl) {
    this.control = control
  }

  /** Tells that an output of this stage feeds `input` of another. */
  feeds(stage: StageFlow, input: string): void {
    this.downstream.push({ stage, input })
  }

  pull<T>(items: Iterable<T> | AsyncIterable<T>): Observable<T> {
    return new Observable((subscriber) => {
      this.pump(items, subscriber).then(
        () => subscriber.complete(),
        (error) => subscriber.error(error),
      )
    })
  }

  /** Hands out items in a plain loop as long as nothing has to be waited for: a promise for each would cost more than the item. */
  private async pump<T>(items: Iterable<T> | AsyncIterable<T>, subscriber: Subscriber<T>): Promise<void> {
    // Whoever subscribes in the same turn must not miss the first item.
    await undefined
    const { signal } = this.control
    const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
    try {
      for (;;) {
        while (!this.clear() && !signal.aborted && !subscriber.closed) await this.control.changed()
        if (signal.aborted || subscriber.closed) return
        const step = iterator.next()
        const { done, value } = step instanceof Promise ? await step : step
        if (done) return
        if (signal.aborted) return
        subscriber.next(value)
        const pause = this.control.breathe()
        if (pause) await pause
      }
    } finally {
      await iterator.return?.()
    }
  }

  concatMap<T, R>(project: (value: T) => ObservableInput<R>, input = EVERY): OperatorFunction<T, R> {
    const hold = (change: number): void => {
      this.held.set(input, (this.held.get(input) ?? 0) + change)
      if (change < 0) this.control.wake()
    }
    const begun = (value: T): ObservableInput<R> => {
      try {
        return project(value)
      } catch (error) {
        hold(-1)
        throw error
      }
    }
    const worked = (value: T): ObservableInput<R> => {
      const result = begun(value)
      if (!Array.isArray(result)) return from(result).pipe(finalize(() => hold(-1)))
      hold(-1)
      return result
    }
    return (source) =>
      source.pipe(
        tap(() => hold(1)),
        concatMap(worked),
      )
  }

  breathe(): Promise<void> | undefined {
    return this.control.breathe()
  }

  /** True while no stage downstream holds what feeds it. */
  private clear(): boolean {
    for (const { stage, input } of this.downstream) if (stage.holds(input) || !stage.clear()) return false
    return true
  }

  private holds(input: string): boolean {
    return (this.held.get(input) ?? 0) > 0 || (this.held.get(EVERY) ?? 0) > 0
  }
}
