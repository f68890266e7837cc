import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import t from 'tap'
import { Pipeline, type Run, start } from '../../../dist/index.js'
import { askRun } from '../../../dist/pipeline/live/client.js'
import type { LiveMessage, LiveState } from '../../../dist/pipeline/live/contract.js'
import { findSocket, makeSocketPlace } from '../../../dist/pipeline/live/socket-place.js'
import { StageClock } from '../../../dist/pipeline/live/stage-clock.js'

const sinks = ['terminal', 'csv', 'curves', 'weights', 'confusion']

async function digits(epochs: number): Promise<Pipeline> {
  const pipeline = await Pipeline.load('digits', { set: [`epochs=${epochs}`] })
  return sinks.reduce((rest, id) => rest.remove(id), pipeline)
}

/** Resolves when the stages of a run exist. */
function started(run: Run): Promise<void> {
  return new Promise((resolve) => run.events.subscribe(({ type }) => type === 'start' && resolve()))
}

async function all(messages: AsyncGenerator<LiveMessage> | undefined): Promise<LiveMessage[]> {
  const got: LiveMessage[] = []
  for await (const message of messages ?? []) got.push(message)
  return got
}

/** Sends bytes to the socket of a run and returns what it answers until it hangs up. */
function answerTo(path: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = createConnection(path)
    socket.on('data', (piece) => {
      answer += piece
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    socket.write(text)
  })
}

t.test('a run tells its state and its tables through a private socket that goes with it', async (t) => {
  // A path that fits into the address of a socket, wherever the repository lies.
  const root = mkdtempSync(join(tmpdir(), 'live-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const out = join(root, 'r')
  const stop = new AbortController()
  const run = start(await digits(100_000), { out, signal: stop.signal })
  await started(run)
  const path = join(out, 'live.sock')
  t.equal(lstatSync(path).mode & 0o777, 0o600)
  const states = askRun(out, { type: 'state' }).then(all)
  const tapped = await all(await askRun(out, { type: 'tap', wire: 'model', n: 2 }))
  t.strictSame(
    tapped.filter(({ type }) => type !== 'bytes').map(({ type }) => type),
    ['table', 'table', 'end'],
  )
  const head = tapped.find((message) => message.type === 'table')!
  const bytes = Buffer.concat(
    tapped
      .slice(1, tapped.indexOf(tapped.findLast(({ type }) => type === 'table')!))
      .map((m) => Buffer.from(m.type === 'bytes' ? m.data : '', 'base64')),
  )
  t.equal(bytes.length, head.bytes)
  t.strictSame(tableFromIPC(bytes).schema.names, ['epoch', 'step', 'eta', 'draw', 'name', 'shape', 'values'])
  const answers: [request: string, answer: RegExp][] = [
    ['no json\n', /expected a request as a line of JSON/],
    ['{"type":"quit"}\n', /expected \{\\"type\\":\\"state\\"\}/],
    [`${'x'.repeat(10_000)}`, /4096 bytes at most/],
    ['{"type":"tap","wire":"modle","n":1}\n', /no wire \\"modle\\".*did you mean \\"model/],
    ['{"type":"tap","wire":"model","n":1e9}\n', /expected/],
  ]
  for (const [request, answer] of answers) t.match(await answerTo(path, request), answer)
  const deaf = Array.from({ length: 20 }, () => createConnection(path).on('error', () => {}))
  await new Promise((resolve) => setTimeout(resolve, 600))
  for (const socket of deaf) socket.destroy()
  stop.abort()
  await t.rejects(run.result, { code: 'ABORTED' })
  const got = await states
  t.strictSame(got.at(-1), { type: 'end', reason: 'interrupted' })
  const last = got.at(-2) as LiveState
  t.equal(last.name, 'digits')
  t.ok(last.position!.step > 0 && last.progress! > 0 && last.left! > 0)
  t.ok(last.wires.find(({ id }) => id === 'model.parameters')!.tablesPerSecond > 0)
  t.ok(last.stages.every(({ share }) => share >= 0 && share <= 1))
  const busy = last.stages.reduce((sum, { seconds }) => sum + seconds, 0)
  t.ok(busy > 0.3 * last.elapsed && busy < 1.2 * last.elapsed, `${busy} s of ${last.elapsed} s`)
  t.ok(last.metrics[0]!.curves.test_accuracy!.length <= 121)
  t.notOk(existsSync(path))
  t.equal(await askRun(out, { type: 'state' }), undefined)
})

t.test('a stale socket is replaced, a file of that name stays, a long path works', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'live-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const stale = createServer()
  for (const folder of ['stale', 'file', 'x'.repeat(120)]) mkdirSync(join(root, folder))
  mkdirSync(join(root, 'stale/r'))
  await new Promise<void>((resolve) => stale.listen(join(root, 'stale/r/live.sock'), resolve))
  stale.close = () => stale
  mkdirSync(join(root, 'file/r'))
  writeFileSync(join(root, 'file/r/live.sock'), 'mine')
  const cases = [
    ['stale', true],
    ['file', false],
    ['x'.repeat(120), true],
  ] as const
  for (const [folder, answers] of cases) {
    const out = join(root, folder, 'r')
    const stop = new AbortController()
    const run = start(await digits(100_000), { out, signal: stop.signal })
    await started(run)
    const messages = await askRun(out, { type: 'tap', wire: 'model.parameters', n: 1 })
    t.equal((await all(messages)).length > 0, answers, folder.slice(0, 5))
    stop.abort()
    await t.rejects(run.result, { code: 'ABORTED' })
    t.equal(existsSync(join(out, 'live.sock')), folder === 'file')
  }
  stale.unref()
})

t.test('programs see wires: the latest tables without slowing the run, or every one', async (t) => {
  const run = start((await digits(3)).remove('parameters'), { directory: false })
  const seen: number[] = []
  let [latest, skipped, most, now] = [0, 0, 0, 0]
  run.wires.latest('model.parameters').subscribe((passed) => {
    latest++
    skipped += passed.skipped
  })
  const every = new Promise<void>((complete) => {
    run.wires
      .every('shuffle', async ({ numRows }) => {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setImmediate(resolve))
        now--
        return [seen.push(numRows)]
      })
      .subscribe({ complete })
  })
  const errors: unknown[] = []
  run.wires.latest('modle').subscribe({ error: (error) => errors.push(error) })
  await run.result
  await every
  t.equal(seen.length, 120)
  t.equal(most, 1)
  t.ok(latest > 0 && latest + skipped <= 120, `${latest} + ${skipped}`)
  t.match(errors, [{ code: 'ARGUMENTS', message: /no wire "modle", expected digits\.examples, .*; did you mean/ }])
  t.match(run.wires.names, ['digits.examples'])
  t.match(run.state(), { progress: 1 })
})

t.test('the clock gives each stage its own time, also if only some calls are measured', (t) => {
  let now = 0
  const clock = new StageClock(3, () => now)
  const work = (ms: number): void => {
    now += ms
  }
  clock.start()
  clock.activity(0, true)
  while (now < 60) {
    work(0.01)
    clock.enter(1)
    work(0.01)
    clock.enter(2)
    work(0.03)
    clock.leave()
    clock.leave()
  }
  clock.activity(0, false)
  const [source, first, second] = clock.worked
  const all = source! + first! + second!
  t.ok(Math.abs(all - now) < 1e-6, `${all} of ${now} ms in all`)
  for (const [time, share] of [
    [source!, 1 / 5],
    [first!, 1 / 5],
    [second!, 3 / 5],
  ] as const)
    t.ok(Math.abs(time / now - share) < 0.03, `${time} ms are ${share} of ${now}`)
  t.end()
})

t.test('on Windows, the run and who asks it find the same pipe', (t) => {
  const { path } = makeSocketPlace('C:\\Users\\me\\runs\\digits-001', 'win32')
  t.match(path, /^\\\\\.\\pipe\\millrace-[0-9a-f]{32}$/)
  for (const directory of ['c:\\users\\me\\RUNS\\digits-001\\', 'C:/Users/me/other/../runs/digits-001'])
    t.equal(findSocket(directory, 'win32')?.path, path, directory)
  t.not(findSocket('C:\\Users\\me\\runs\\digits-002', 'win32')?.path, path)
  t.end()
})
