import { from, Observable, type ObservableInput, type OperatorFunction, type Subscriber } from 'rxjs'
import type { Flow } from '../stage/flow-contract.js'
import type { FlowActivity, FlowControl, Pump } from './flow-control.js'

/** The name that means every input of a stage. */
const EVERY_INPUT = ''

/** The backpressure of one stage: it knows the stages downstream, and which of its inputs are being worked on. */
export class StageFlow implements Flow, FlowActivity {
  /** As in `FlowActivity`. */
  onActivity: (() => void) | undefined
  private readonly control: FlowControl
  private readonly downstream: { readonly stage: StageFlow; readonly input: string }[] = []
  /** How many tables are being worked on or wait for that, by the input they came from. */
  private readonly held = new Map<string, number>()
  /** As in `FlowActivity`. */
  mostInFlight = 0
  /** `isClear` was found out when `control.changes` had this value. */
  private clearAt = -1
  private isClear = true
  /** The sources of this stage that have not emitted their last item. */
  private readonly pumps = new Set<Pump>()

  constructor(control: FlowControl) {
    this.control = control
    control.join(this)
  }

  /** Tells that an output of this stage feeds `input` of another stage. */
  feeds(stage: StageFlow, input: string): void {
    this.downstream.push({ stage, input })
  }

  /** As in `Flow`. */
  pull<T>(items: Iterable<T> | AsyncIterable<T>): Observable<T> {
    return new Observable((subscriber) => {
      this.pump(items, subscriber).then(
        () => subscriber.complete(),
        (error) => subscriber.error(error),
      )
    })
  }

  /** Emits the items in a plain loop and awaits only if it must: a promise per item would cost more than the item. */
  private async pump<T>(items: Iterable<T> | AsyncIterable<T>, subscriber: Subscriber<T>): Promise<void> {
    const { control } = this
    const pump = control.enter(this)
    this.pumps.add(pump)
    this.onActivity?.()
    // Stages that subscribe in the same turn must not miss the first item.
    await undefined
    const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
    try {
      for (;;) {
        if (!this.isDownstreamClear() || control.isSettling) await this.waitForTurn(pump, subscriber)
        if (control.isAborted || subscriber.closed) return
        const step = iterator.next()
        const { done, value } = step instanceof Promise ? await step : step
        if (done) return
        if (control.isAborted) return
        subscriber.next(value)
        const pause = control.yieldToEventLoop()
        if (pause) await pause
      }
    } finally {
      control.leave(pump)
      this.pumps.delete(pump)
      this.onActivity?.()
      await iterator.return?.()
    }
  }

  /** Waits until no stage downstream is busy, and until the callbacks of `settle` have been called. */
  private async waitForTurn(pump: Pump, subscriber: Subscriber<unknown>): Promise<void> {
    const { control } = this
    pump.isIdle = true
    this.onActivity?.()
    if (control.isSettling) control.wake()
    while (!subscriber.closed && !(this.isDownstreamClear() && control.mayGoOn())) {
      if (control.isAborted && !control.isSettling) break
      await control.changed()
    }
    pump.isIdle = false
    this.onActivity?.()
  }

  /** As in `Flow`. */
  concatMap<T, R>(project: (value: T) => ObservableInput<R>, input = EVERY_INPUT): OperatorFunction<T, R> {
    return (source) =>
      new Observable((subscriber) => {
        const waiting: T[] = []
        let isBusy = false
        let isHolding = false
        let isComplete = false

        const hold = (): void => {
          isHolding = true
          this.hold(input, 1)
        }
        const release = (): void => {
          isBusy = false
          isHolding = false
          this.hold(input, -1)
        }
        const fail = (error: unknown): void => {
          release()
          subscriber.error(error)
        }
        const work = (value: T): void => {
          isBusy = true
          let result: ObservableInput<R>
          try {
            result = project(value)
          } catch (error) {
            isBusy = false
            subscriber.error(error)
            return
          }
          // Results that are ready need no hold and no subscription, which would cost more than everything else here.
          if (Array.isArray(result)) {
            isBusy = false
            for (const item of result) subscriber.next(item)
            return
          }
          hold()
          subscriber.add(from(result).subscribe({ next: (item) => subscriber.next(item), error: fail, complete: done }))
        }
        const done = (): void => {
          release()
          proceed()
        }
        const proceed = (): void => {
          while (!isBusy && waiting.length > 0) {
            work(waiting.shift()!)
            this.hold(input, -1)
          }
          if (isComplete && !isBusy) subscriber.complete()
        }

        subscriber.add(() => this.hold(input, -waiting.length - (isHolding ? 1 : 0)))
        subscriber.add(
          source.subscribe({
            next: (value) => {
              if (!isBusy) return work(value)
              this.hold(input, 1)
              waiting.push(value)
            },
            error: (error) => subscriber.error(error),
            complete: () => {
              isComplete = true
              proceed()
            },
          }),
        )
      })
  }

  /** Changes how many tables of an input are held. */
  private hold(input: string, change: number): void {
    if (change === 0) return
    this.held.set(input, (this.held.get(input) ?? 0) + change)
    if (change > 0) this.mostInFlight = Math.max(this.mostInFlight, this.inFlight())
    this.control.holdChanged(change < 0)
    this.onActivity?.()
  }

  /** As in `Flow`. */
  yieldToEventLoop(): Promise<void> | undefined {
    return this.control.yieldToEventLoop()
  }

  /** Whether no stage downstream is busy. Kept until the next change, because a source asks before every table. */
  private isDownstreamClear(): boolean {
    const { changes } = this.control
    if (this.clearAt !== changes) {
      this.clearAt = changes
      this.isClear = this.downstream.every(({ stage, input }) => !stage.holds(input) && stage.isDownstreamClear())
    }
    return this.isClear
  }

  /** Whether the stage is working on a table of any input. */
  isBusy(): boolean {
    for (const count of this.held.values()) if (count > 0) return true
    return false
  }

  /** As in `FlowActivity`. */
  isActive(): boolean {
    if (this.pumps.size === 0) return this.isBusy()
    for (const { isIdle } of this.pumps) if (!isIdle) return true
    return false
  }

  /** As in `FlowActivity`. */
  inFlight(): number {
    let count = 0
    for (const held of this.held.values()) count += held
    return count
  }

  private holds(input: string): boolean {
    return (this.held.get(input) ?? 0) > 0 || (this.held.get(EVERY_INPUT) ?? 0) > 0
  }
}
