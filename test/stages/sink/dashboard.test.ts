import { setTimeout as wait } from 'node:timers/promises'
import { Subject } from 'rxjs'
import t from 'tap'
import { serveDashboard } from '../../../dist/dashboard/server.js'
import { openStage } from '../harness.js'

t.test('the run is served while it goes on, and no longer', async (t) => {
  const metrics = new Subject<never>()
  const stage = openStage(t, '- use: sink/dashboard', { metrics })
  let isDone = false
  stage.tables.subscribe({ complete: () => (isDone = true) })
  const printed = await until(() => stage.printed.join(''))
  const url = /^dashboard: (http:\/\/127\.0\.0\.1:\d+\/\?token=\S+)\n$/.exec(printed)?.[1]
  t.ok(url, 'the address is printed')
  const entry = await fetch(url!, { redirect: 'manual' })
  t.equal(entry.status, 303, 'the token opens it')
  metrics.complete()
  t.ok(isDone, 'the stage does not wait for the server')
  await until(async () => (await fetch(url!, { redirect: 'manual' }).catch(() => 'gone')) === 'gone')
  t.pass('the server has ended')
})

t.test('a run whose server cannot start goes on', async (t) => {
  const { url, close } = await serveDashboard({ roots: [] })
  t.teardown(close)
  const metrics = new Subject<never>()
  const stage = openStage(t, `- use: sink/dashboard\n  with: { port: ${new URL(url).port} }`, { metrics })
  const message = await new Promise<string>((resolve) =>
    stage.tables.subscribe({ error: ({ message }: Error) => resolve(message) }),
  )
  t.match(message, /^the dashboard does not run: --port \d+: another program listens there/)
})

/** Waits until a value is there. */
async function until<T>(look: () => T | Promise<T>): Promise<T> {
  for (let i = 0; i < 400; i++) {
    const found = await look()
    if (found) return found
    await wait(25)
  }
  throw new Error('nothing came in 10 s')
}
