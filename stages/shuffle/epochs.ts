import type { Table } from 'apache-arrow'
import { concat, defer, EMPTY, type Observable, type OperatorFunction } from 'rxjs'
import {
  endsEpoch,
  type Position,
  positionOf,
  readAhead,
  type StageContext,
  unreadOf,
} from '../../pipeline/stage-kit.js'

/**
 * Gathers the batches of an epoch, then emits them in the order that `reorder` returns. `reorder` also gives them the
 * positions of the epoch, in order. Holds the batches of one epoch, which are views.
 */
export function byEpoch(
  { flow, memory, asked }: Pick<StageContext, 'flow' | 'memory' | 'asked'>,
  reorder: (batches: readonly Table[], epoch: number) => Iterable<Table>,
): OperatorFunction<Table, Table> {
  return (source) =>
    defer(() => {
      let held: Table[] = []
      const flush = (): Observable<Table> => {
        const batches = held
        held = []
        const ordered = reorder(batches, positionOf(batches[0]!).epoch)
        const areBorrowed = asked.some(({ borrowed }) => borrowed)
        return flow.pull(unreadOf(batches[0]!) ? readAhead(ordered, memory.window, areBorrowed) : ordered)
      }
      return concat(
        source.pipe(
          flow.concatMap((batch) => {
            held.push(batch)
            return endsEpoch(positionOf(batch)) ? flush() : []
          }),
        ),
        defer(() => (held.length > 0 ? flush() : EMPTY)),
      )
    })
}

/** Returns the position of batch `i`, from 0, of the epoch that `first` begins. */
export function positionIn(first: Position, i: number): Position {
  const { epoch, step, epochs, steps } = first
  return { epoch, step: step + i, epochs, steps }
}
