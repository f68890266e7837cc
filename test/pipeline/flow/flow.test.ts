import { setTimeout as after } from 'node:timers/promises'
import { firstValueFrom, lastValueFrom, map, merge, of, Subject, take, throwError, toArray } from 'rxjs'
import t from 'tap'
import { StageFlow } from '../../../dist/pipeline/flow/flow.js'
import { FlowControl } from '../../../dist/pipeline/flow/flow-control.js'

/** Flows of stages that stand in a row. */
function row(count: number, signal = new AbortController().signal): StageFlow[] {
  const control = new FlowControl(signal)
  const flows = Array.from({ length: count }, () => new StageFlow(control))
  for (const [i, flow] of flows.entries()) if (flows[i + 1]) flow.feeds(flows[i + 1]!, 'in')
  return flows
}

/** Works without giving the event loop a turn. */
function burn(milliseconds: number): void {
  for (const start = performance.now(); performance.now() - start < milliseconds; );
}

t.test('pull emits what it is given, in order, from iterables of both kinds', async (t) => {
  const [flow] = row(1) as [StageFlow]
  async function* slow() {
    for (const item of [1, 2, 3]) {
      await after(1)
      yield item
    }
  }
  for (const items of [[1, 2, 3], new Set([1, 2, 3]), slow()])
    t.strictSame(await lastValueFrom(flow.pull(items).pipe(toArray())), [1, 2, 3])
  t.strictSame(await lastValueFrom(flow.pull([]).pipe(toArray())), [])
})

t.test('pull emits nothing before the turn in which it was subscribed has ended', async (t) => {
  const [flow] = row(1) as [StageFlow]
  const seen: number[] = []
  flow.pull([1]).subscribe((item) => seen.push(item))
  t.strictSame(seen, [])
  await after(1)
  t.strictSame(seen, [1])
})

t.test('a slow stage bounds what a fast source emits, however many stages stand between them', async (t) => {
  for (const between of [0, 1, 3]) {
    const flows = row(between + 2)
    const [source, slow] = [flows[0]!, flows.at(-1)!]
    let [made, done, most] = [0, 0, 0]
    function* items() {
      for (let i = 0; i < 30; i++) {
        most = Math.max(most, ++made - done)
        yield i
      }
    }
    const results = await lastValueFrom(
      source.pull(items()).pipe(
        map((i) => i),
        slow.concatMap(async (i) => {
          await after(1)
          done++
          return i
        }),
        toArray(),
      ),
    )
    t.strictSame(results, [...Array(30).keys()])
    t.equal(most, 1, 'one is worked on, the next is not made before it is done')
  }
})

t.test('two slow stages in a row hold one table each at most', async (t) => {
  const [source, first, second] = row(3) as [StageFlow, StageFlow, StageFlow]
  let [emitted, ended, most] = [0, 0, 0]
  await lastValueFrom(
    source.pull(Array(20).keys()).pipe(
      map((i) => {
        most = Math.max(most, ++emitted - ended)
        return i
      }),
      first.concatMap(() => after(1)),
      second.concatMap(async () => {
        await after(2)
        ended++
      }),
    ),
  )
  t.equal(emitted, 20)
  t.equal(most, 1, 'the next table comes when the last has gone all the way')
})

t.test('a stage that holds one input does not hold what feeds another', async (t) => {
  const control = new FlowControl(new AbortController().signal)
  const [a, b, join] = [new StageFlow(control), new StageFlow(control), new StageFlow(control)]
  a.feeds(join, 'left')
  b.feeds(join, 'right')
  const release = new Subject<void>()
  let left = 0
  const joined = a.pull([1, 2]).pipe(
    map(() => left++),
    join.concatMap(() => release.pipe(take(1)), 'left'),
  )
  const right = lastValueFrom(b.pull([1, 2, 3]).pipe(toArray()))
  const ended = lastValueFrom(joined.pipe(toArray()))
  t.strictSame(await right, [1, 2, 3], 'the right side flows while the left is held')
  t.equal(left, 1, 'the left side waits')
  release.next()
  await after(5)
  t.equal(left, 2)
  release.next()
  await ended
})

t.test('a stage that names no input holds all of them', async (t) => {
  const control = new FlowControl(new AbortController().signal)
  const [a, b, join] = [new StageFlow(control), new StageFlow(control), new StageFlow(control)]
  a.feeds(join, 'left')
  b.feeds(join, 'right')
  let [running, most] = [0, 0]
  const worked = merge(a.pull([1, 2, 3]), b.pull([4, 5, 6])).pipe(
    join.concatMap(async (i) => {
      most = Math.max(most, ++running)
      await after(1)
      running--
      return i
    }),
    toArray(),
  )
  t.strictSame((await lastValueFrom(worked)).sort(), [1, 2, 3, 4, 5, 6])
  t.equal(most, 1)
})

t.test('the event loop gets a turn during a long synchronous pull, before 50 ms of work have passed', async (t) => {
  const [flow] = row(1) as [StageFlow]
  let [turns, since, most] = [0, 0, 0]
  const timer = setInterval(() => {
    turns++
    since = 0
  }, 1)
  function* items() {
    for (let i = 0; i < 100; i++) {
      burn(2)
      most = Math.max(most, ++since)
      yield i
    }
  }
  await lastValueFrom(flow.pull(items()))
  clearInterval(timer)
  t.ok(turns >= 5, `${turns} turns in 200 ms`)
  t.ok(most * 2 <= 50, `${most} pieces of 2 ms in one stretch`)
})

t.test('breathe costs nothing in a short stretch of work and a turn of the event loop in a long one', async (t) => {
  const [flow] = row(1) as [StageFlow]
  t.equal(flow.yieldToEventLoop(), undefined)
  burn(16)
  let turned = false
  setImmediate(() => {
    turned = true
  })
  const pause = flow.yieldToEventLoop()
  t.type(pause, Promise)
  await pause
  t.ok(turned)
  t.equal(flow.yieldToEventLoop(), undefined, 'a new stretch begins')
})

t.test('an abort ends a pull without an error, and closes what it pulled from', async (t) => {
  const stop = new AbortController()
  const [flow] = row(1, stop.signal) as [StageFlow]
  let closed = false
  function* endless() {
    try {
      for (let i = 0; ; i++) yield i
    } finally {
      closed = true
    }
  }
  const items: number[] = []
  const ended = lastValueFrom(
    flow.pull(endless()).pipe(
      map((i) => {
        items.push(i)
        if (i === 5) stop.abort()
      }),
    ),
  )
  await ended
  t.strictSame(items, [0, 1, 2, 3, 4, 5])
  t.ok(closed)
})

t.test('an abort ends a pull that waits for a stage downstream', async (t) => {
  const stop = new AbortController()
  const [source, slow] = row(2, stop.signal) as [StageFlow, StageFlow]
  let made = 0
  const busy = source.pull(Array(9).keys()).pipe(
    map(() => made++),
    slow.concatMap(() => new Promise(() => {})),
  )
  busy.subscribe()
  const ended = new Promise<void>((resolve) => source.pull([1]).subscribe({ complete: resolve }))
  await after(5)
  t.equal(made, 1)
  stop.abort()
  await ended
  t.equal(made, 1)
})

t.test('a pull that was aborted before it began emits nothing', async (t) => {
  const stop = new AbortController()
  stop.abort()
  const [flow] = row(1, stop.signal) as [StageFlow]
  t.strictSame(await lastValueFrom(flow.pull([1, 2]).pipe(toArray())), [])
})

t.test('an unsubscribed pull takes nothing more and closes its source', async (t) => {
  const [flow] = row(1) as [StageFlow]
  let [made, closed] = [0, false]
  function* items() {
    try {
      for (;;) yield ++made
    } finally {
      closed = true
    }
  }
  t.strictSame(await lastValueFrom(flow.pull(items()).pipe(take(3), toArray())), [1, 2, 3])
  await after(1)
  t.equal(made, 3)
  t.ok(closed)
})

t.test('errors of a source and of the work pass on, and a failed piece of work holds nobody', async (t) => {
  const [source, work] = row(2) as [StageFlow, StageFlow]
  function* broken() {
    yield 1
    throw new Error('source')
  }
  await t.rejects(lastValueFrom(source.pull(broken())), { message: 'source' })
  await t.rejects(lastValueFrom(of(1).pipe(work.concatMap(() => throwError(() => new Error('work'))))), {
    message: 'work',
  })
  const thrown = () => {
    throw new Error('thrown')
  }
  await t.rejects(lastValueFrom(of(1).pipe(work.concatMap(thrown))), { message: 'thrown' })
  t.equal(await firstValueFrom(source.pull([7])), 7)
})
