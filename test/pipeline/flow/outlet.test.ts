import { Table } from 'apache-arrow'
import fc from 'fast-check'
import { Subject, type Subscription } from 'rxjs'
import t from 'tap'
import { Outlet } from '../../../dist/pipeline/flow/outlet.js'

type Operation =
  | { readonly type: 'subscribe' | 'next' | 'error' | 'complete' }
  /** Subscriber `who` leaves, or lets a new one come, when it gets its next table. */
  | { readonly type: 'leave' | 'invite'; readonly who: number; readonly whenNext: boolean }

const who = fc.nat(3)
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ type: fc.constantFrom('subscribe' as const, 'next' as const, 'next' as const) }),
  fc.record({ type: fc.constantFrom('leave' as const, 'invite' as const), who, whenNext: fc.boolean() }),
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('error' as const, 'complete' as const) }) },
)

/** What everybody saw, in order. */
function seen(outlet: Subject<Table> | Outlet, operations: readonly Operation[]): string[] {
  const log: string[] = []
  const table = new Table()
  const subscriptions: Subscription[] = []
  const plans = new Map<number, () => void>()
  function subscribe(): void {
    const name = subscriptions.length
    if (name > 20) return
    subscriptions.push(
      outlet.subscribe({
        next: () => {
          log.push(`${name} next`)
          const plan = plans.get(name)
          plans.delete(name)
          plan?.()
        },
        error: (error: Error) => log.push(`${name} ${error.message}`),
        complete: () => log.push(`${name} complete`),
      }),
    )
  }
  for (const each of operations) {
    if (each.type === 'subscribe') subscribe()
    else if (each.type === 'next') outlet.next(table)
    else if (each.type === 'error') outlet.error(new Error('broken'))
    else if (each.type === 'complete') outlet.complete()
    else {
      const act = each.type === 'leave' ? () => subscriptions[each.who]?.unsubscribe() : subscribe
      if (each.whenNext) plans.set(each.who, act)
      else act()
    }
  }
  return log
}

t.test('an outlet does what a Subject does', async (t) => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      t.strictSame(seen(new Outlet(), operations), seen(new Subject<Table>(), operations))
    }),
    { numRuns: 300, seed: 400 },
  )
})
