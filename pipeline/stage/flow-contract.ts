import type { Observable, ObservableInput, OperatorFunction } from 'rxjs'

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
  yieldToEventLoop(): Promise<void> | undefined
}
