import type { Observable, ObservableInput, OperatorFunction } from 'rxjs'

/**
 * Backpressure for rxjs, which has none of its own: a source waits here while any stage downstream is still working on
 * a table.
 *
 * Each stage has its own Flow. A stage that works asynchronously does so in `concatMap`, which marks the stage as busy.
 * A source emits its tables through `pull`, which waits while a stage downstream is busy.
 */
export interface Flow {
  /**
   * Emits the items one by one. Waits before each one until no stage downstream is busy, and yields to the event loop
   * every 15 ms. Completes early, without an error, if the run is stopped.
   */
  pull<T>(items: Iterable<T> | AsyncIterable<T>): Observable<T>
  /**
   * `concatMap` of rxjs, which also marks this stage as busy until the inner Observable (or Promise) is done. One value
   * is worked on at a time. Return an array if the results are ready at once: that is faster.
   * A stage with several inputs names the input that the values come from, so that its other inputs are not held up.
   */
  concatMap<T, R>(project: (value: T) => ObservableInput<R>, input?: string): OperatorFunction<T, R>
  /**
   * Gives the event loop a turn if 15 ms have passed since the last one. Returns undefined if they have not: check for
   * that before you await it in a long loop, because an `await` costs time even if there is nothing to wait for.
   */
  yieldToEventLoop(): Promise<void> | undefined
}
