import type { Table } from 'apache-arrow'
import { concatMap, from, Observable, type ObservableInput, type Subscriber } from 'rxjs'
import { PipelineError } from '../base/errors.js'
import { didYouMean } from '../base/nearest.js'
import { cutName, listed } from '../base/words.js'
import type { Flow } from '../stage/flow-contract.js'
import { broughtArrays, copyParameters, hasArrays } from '../wires/parameters.js'
import { type RunObserver, wireId } from './observer.js'

/** A table of a wire, as `latest` emits it. */
export interface PassedTable<T = Table> {
  /** The table. */
  readonly value: T
  /** Number of tables that passed since the one before and were left out. */
  readonly skipped: number
}

/**
 * The wires of a run under way. A wire has the id of a stage and the name of its output, `model.parameters`; the id alone
 * is enough if the stage has one output. A wire that does not exist is an error of the Observable (`ARGUMENTS`). All
 * Observables complete with the run, however it ended.
 */
export interface RunWires {
  /** The wires. Empty until the run has been opened, which is before its event `start`. */
  readonly names: readonly string[]
  /**
   * Emits tables of a wire between two steps, without slowing the run: tables that pass before a subscriber has had its
   * turn are left out and counted, as are parameters that a device has not copied into this process. Parameters are copies,
   * other tables share their memory with the run.
   */
  latest(wire: string): Observable<PassedTable>
  /**
   * Calls `work` for every table of a wire, one after the other, and emits what it gives. The run waits for it, as for a
   * stage. Work on the table before you return or resolve: its memory may be used again.
   */
  every<R>(wire: string, work: (table: Table) => ObservableInput<R>): Observable<R>
}

/** One wire of the running graph. */
interface ConnectedWire {
  readonly id: string
  readonly type: string
  readonly tables: Observable<Table>
  /** Makes a reader that the stage waits for. */
  readonly makeFlow: () => Flow
  flow?: Flow
}

/** The wires of a run, for its program and its socket. */
export class WireTaps implements RunWires {
  /** Counts what flows; undefined before the stages are made. */
  observer: RunObserver | undefined
  /** By id, and by the id of the stage if that has one output. */
  private wires: ReadonlyMap<string, ConnectedWire> | undefined
  private waiting: (() => void)[] = []

  /** As in `RunWires`. */
  get names(): readonly string[] {
    return [...new Set([...(this.wires?.values() ?? [])].map(({ id }) => id))]
  }

  /** Tells the wires of the run, before the first table. */
  connect(connected: readonly (Omit<ConnectedWire, 'id'> & { readonly stage: string; readonly port: string })[]): void {
    const wires = new Map(
      connected.map((wire) => [wireId(wire.stage, wire.port), { ...wire, id: wireId(wire.stage, wire.port) }]),
    )
    for (const wire of [...wires.values()])
      if (connected.filter(({ stage }) => stage === wire.stage).length === 1) wires.set(wire.stage, wire)
    this.wires = wires
    this.wake()
  }

  /** Tells that the run has ended, perhaps before it had wires. */
  close(): void {
    this.wires ??= new Map()
    this.wake()
  }

  private wake(): void {
    const { waiting } = this
    this.waiting = []
    for (const subscribe of waiting) subscribe()
  }

  /** As in `RunWires`. */
  latest(wire: string): Observable<PassedTable> {
    return this.taken(wire, (table, type) => (type === 'parameters' ? copyParameters(table) : table))
  }

  /**
   * As `latest`, with a function that takes what is needed of a table at once. A table of which it returns undefined is
   * counted as left out.
   */
  taken<T>(name: string, take: (table: Table, type: string) => T | undefined): Observable<PassedTable<T>> {
    return this.observe(name, ({ type, tables }, subscriber) => {
      let skipped = 0
      let isWaiting = false
      let isComplete = false
      const end = (): void => {
        isComplete = true
        if (!isWaiting) subscriber.complete()
      }
      return tables.subscribe({
        next: (table) => {
          const isHere = type !== 'parameters' || isWaiting || hasArrays(table)
          const value = isWaiting || subscriber.closed || !isHere ? undefined : take(table, type)
          if (value === undefined) {
            skipped++
            return
          }
          const passed = { value, skipped }
          skipped = 0
          isWaiting = true
          setImmediate(() => {
            isWaiting = false
            subscriber.next(passed)
            if (isComplete) subscriber.complete()
          })
        },
        error: end,
        complete: end,
      })
    })
  }

  /** As in `RunWires`. */
  every<R>(name: string, work: (table: Table) => ObservableInput<R>): Observable<R> {
    return this.observe(name, (wire, subscriber) => {
      wire.flow ??= wire.makeFlow()
      // The errors of the run are told by its result.
      const tables = new Observable<Table>((reader) =>
        wire.tables.subscribe({
          next: (table) => reader.next(table),
          error: () => reader.complete(),
          complete: () => reader.complete(),
        }),
      )
      // The run waits, so the parameters of a device are still those of this table.
      const whole = (table: Table): ObservableInput<R> => {
        const brought = wire.type === 'parameters' ? broughtArrays(table) : undefined
        return brought ? from(brought).pipe(concatMap(() => work(table))) : work(table)
      }
      return tables.pipe(wire.flow.concatMap(whole)).subscribe(subscriber)
    })
  }

  /** Subscribes to a wire as soon as the wires are known. */
  private observe<T>(
    name: string,
    subscribe: (wire: ConnectedWire, subscriber: Subscriber<T>) => { unsubscribe(): void },
  ): Observable<T> {
    return new Observable((subscriber) => {
      const start = (): void => {
        const wire = this.wires!.get(name)
        if (subscriber.closed) return
        if (wire) subscriber.add(subscribe(wire, subscriber))
        // A run that failed before it began has no wires.
        else if (this.wires!.size === 0) subscriber.complete()
        else subscriber.error(unknownWire(name, this.names))
      }
      if (this.wires) start()
      else this.waiting.push(start)
    })
  }
}

/** The error for a wire that does not exist. */
export function unknownWire(name: string, names: readonly string[]): PipelineError {
  const stages = names.map((id) => id.slice(0, id.lastIndexOf('.')))
  const hint = didYouMean(name, [...stages, ...names])
  return new PipelineError('ARGUMENTS', `no wire "${cutName(name)}", expected ${listed(names)}${hint}`)
}
