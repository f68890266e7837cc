import type { Table } from 'apache-arrow'
import { Observable, type Subscriber } from 'rxjs'

/** Measures how long the readers of a wire take. */
export interface PushClock {
  /** Whether anything is measured now. */
  readonly isOn: boolean
  /** Tells that a table is being pushed into a stage. */
  enter(stage: number): void
  /** Tells that the stage that was entered last has returned. */
  leave(): void
}

/** Who reads a wire. */
interface Reader {
  readonly subscriber: Subscriber<Table>
  /** The number of the stage; undefined if it is none. */
  readonly stage: number | undefined
}

/**
 * The tables of one output of a stage, as a Subject that knows which stage each subscriber belongs to: the time that a
 * stage takes can be measured without another subscriber between it and the wire, which would cost time in every run.
 * Subscribers get a table in the order in which they subscribed.
 */
export class Wire {
  private readonly clock: PushClock | undefined
  /** Replaced, never changed, so that a push goes on with the readers that it began with. */
  private readers: readonly Reader[] = []
  /** Tells a subscriber how the wire has ended; undefined while it is open. */
  private ending: ((subscriber: Subscriber<Table>) => void) | undefined

  constructor(clock?: PushClock) {
    this.clock = clock
  }

  /** The tables, for a reader whose time is measured if it is a stage: `stage` is its number. */
  tables(stage?: number): Observable<Table> {
    return new Observable((subscriber) => {
      if (this.ending) return this.ending(subscriber)
      const reader = { subscriber, stage }
      this.readers = [...this.readers, reader]
      return () => {
        this.readers = this.readers.filter((other) => other !== reader)
      }
    })
  }

  /** Pushes a table to all readers. */
  next(table: Table): void {
    const { readers, clock } = this
    if (!clock?.isOn) {
      for (const { subscriber } of readers) subscriber.next(table)
      return
    }
    for (const { subscriber, stage } of readers) {
      if (stage === undefined) {
        subscriber.next(table)
        continue
      }
      clock.enter(stage)
      try {
        subscriber.next(table)
      } finally {
        clock.leave()
      }
    }
  }

  /** Ends the wire with an error. */
  error(error: unknown): void {
    this.end((subscriber) => subscriber.error(error))
  }

  /** Ends the wire. */
  complete(): void {
    this.end((subscriber) => subscriber.complete())
  }

  private end(ending: (subscriber: Subscriber<Table>) => void): void {
    if (this.ending) return
    this.ending = ending
    const { readers } = this
    this.readers = []
    for (const { subscriber } of readers) ending(subscriber)
  }
}
