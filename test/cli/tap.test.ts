import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { firstValueFrom } from 'rxjs'
import t from 'tap'
import { tapCommand } from '../../dist/cli/tap.js'
import { topCommand } from '../../dist/cli/top.js'
import { type GoingRun, runLines } from '../../dist/cli/top-runs.js'
import { Pipeline, run, start } from '../../dist/index.js'
import { cellsOf } from '../../dist/pipeline/base/cells.js'
import { collectedOutput, printed } from './printed.js'

const flags = { tables: 1, format: 'table' } as const

t.test('a wire of a pipeline is shown as a table and as JSON', async (t) => {
  const table = await printed((output) => tapCommand('digits', { ...flags, wire: 'model' }, output))
  t.match(
    table,
    /^model\.parameters, table 1: 2 rows\n {2}epoch {2}step {2}eta +draw {2}name {2}shape +values\n {2}1 +1 +0\.05000 +0 +W +\[10 64\]/,
  )
  const lines = await printed((output) =>
    tapCommand('digits', { ...flags, tables: 2, wire: 'rows', format: 'json' }, output),
  )
  const [first, second] = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(first, { wire: 'rows.batches', index: 0, skipped: 0 })
  t.equal(first.rows.length, 32)
  t.equal(second.rows[0].step, 2)
  t.equal(second.rows[0].features.length, 64)
})

t.test('tapped tables in the format arrow are replayed by load/wire', async (t) => {
  const folder = t.testdir({
    'replay.yaml': `name: replay
stages:
  - use: load/wire
    with: { path: rows.arrows, wire: batch }
  - use: sink/arrow
    with: { path: again.arrows }
`,
  })
  const path = join(folder, 'rows.arrows')
  await printed((output) =>
    tapCommand('digits', { ...flags, tables: 3, wire: 'rows', format: 'arrow', out: path }, output),
  )
  const out = join(folder, 'r')
  await run(await Pipeline.load(join(folder, 'replay.yaml')), { out })
  // sink/arrow leaves out the mark at the end of a stream, which has 8 bytes.
  t.strictSame(readFileSync(join(out, 'again.arrows')), readFileSync(path).subarray(0, -8))

  const recorded = await printed((output) => tapCommand(out, { ...flags, tables: 2, wire: 'wire' }, output))
  t.match(recorded, /^wire\.tables, table 1: 32 rows\n[\s\S]*wire\.tables, table 2: 32 rows\n/)
  await t.rejects(
    printed((output) => tapCommand(out, { ...flags, wire: 'rows' }, output)),
    {
      code: 'ARGUMENTS',
      message: /is not running, and has no record of the wire "rows"; expected wire\.tables\. A pipeline/,
    },
  )
  t.match(await printed((output) => topCommand(out, {}, output)), /r: done\n$/)
  t.match(JSON.parse(await printed((output) => topCommand(out, { json: true }, output))), {
    type: 'end',
    status: 'done',
  })
  await t.rejects(
    printed((output) => tapCommand('digits', { ...flags, wire: 'rows', format: 'arrow', out: path }, output)),
    { code: 'ARGUMENTS', message: /exists already; --force replaces it/ },
  )
})

t.test('a wire that does not exist, and a wire that ends early', async (t) => {
  await t.rejects(
    printed((output) => tapCommand('digits', { ...flags, wire: 'modle' }, output)),
    { code: 'ARGUMENTS', message: /no wire "modle", expected digits\.examples, .*; did you mean "model/ },
  )
  const text = await printed((output) => tapCommand('digits', { ...flags, tables: 9, wire: 'examples' }, output))
  t.match(text, /table 3/)
  t.notMatch(text, /table 4/)
})

t.test('a run whose process was killed is not called running', async (t) => {
  const out = join(t.testdir({}), 'r')
  mkdirSync(out)
  const record = { status: 'running', name: 'x', seed: 1, versions: { millrace: '0.1.0' } }
  writeFileSync(join(out, 'run.json'), JSON.stringify(record))
  t.match(
    await printed((output) => topCommand(out, {}, output)),
    /killed, or running where its socket cannot be reached/,
  )
})

t.test('of a folder, top shows a line for each run that goes on', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'none'))
  const stop = new AbortController()
  const pipeline = (await Pipeline.load('digits', { set: ['epochs=100000'] })).remove('terminal')
  const runs = ['a', 'b'].map((name) =>
    start(pipeline, { out: join(folder, name), kernel: 'reference', signal: stop.signal }),
  )
  await Promise.all(runs.map(({ metrics }) => firstValueFrom(metrics)))
  const top = async (place: string, json: boolean): Promise<string> => {
    const { seen, output } = collectedOutput()
    // Leaves after the first look, as `| head -1` does.
    const closing = Object.defineProperty({ ...output }, 'isClosed', { get: () => seen.out !== '' })
    await topCommand(place, { json }, closing)
    return seen.out
  }
  t.match(await top(folder, false), /a: digits, epoch \d+ of 100000, .*\n.*b: digits, epoch \d+ of 100000, .*\n$/)
  const lines = (await top(folder, true)).trim().split('\n')
  const going: GoingRun[] = lines.map((line) => JSON.parse(line))
  t.match(going, [
    { directory: join(folder, 'a'), state: { position: { epochs: 100000 } } },
    { directory: join(folder, 'b') },
  ])
  for (const width of [39, 59, 79, 199])
    for (const line of runLines(going, { width, height: 9 })) t.ok(cellsOf(line) <= width, line)
  t.match(runLines([...going, ...going, ...going], { width: 79, height: 5 }).at(-1), '… and 3 more')
  stop.abort()
  await Promise.allSettled(runs.map(({ result }) => result))
  t.match(await top(folder, false), /^no run in .* goes on; millrace ls .* lists them\n$/)
  await t.rejects(top(join(folder, 'none'), false), { code: 'ARGUMENTS', message: /it has no run\.json/ })
})

t.test('of a folder, top goes on to the next run, and ends when none goes on', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const pipeline = (await Pipeline.load('digits', { set: ['epochs=100000'] })).remove('terminal')
  const { seen, output } = collectedOutput()
  let top: Promise<void> | undefined
  for (const name of ['a', 'b']) {
    const stop = new AbortController()
    const running = start(pipeline, { out: join(folder, name), kernel: 'reference', signal: stop.signal })
    const ended = running.result.catch(() => {})
    await firstValueFrom(running.metrics)
    top ??= topCommand(folder, {}, output)
    const before = seen.out.length
    while (seen.out.length === before) await new Promise((resolve) => setTimeout(resolve, 20))
    stop.abort()
    await ended
  }
  await top
  t.match(
    seen.out,
    /^digits, epoch.*\n(.*\n)*.*\ba: interrupted.*\n(.*\n)*digits, epoch.*\n(.*\n)*.*\bb: interrupted.*\n(.*\n)*no other run in .* goes on;.*\n$/,
  )
})

/** What listens at the socket of a stranger's run directory: it answers every request with a text. */
function strangeSocket(path: string, answer: string): Promise<Server> {
  const server = createServer((client) => {
    client.on('error', () => {})
    client.resume()
    client.end(answer)
  })
  return new Promise((resolve) => server.listen(path, () => resolve(server)))
}

t.test('whatever a socket in the run directory of a stranger sends is checked', async (t) => {
  // The path of a socket must be short.
  const out = join(mkdtempSync(join(tmpdir(), 'millrace-')), 'r')
  t.teardown(() => rmSync(dirname(out), { recursive: true }))
  mkdirSync(out)
  writeFileSync(join(out, 'run.json'), JSON.stringify({ status: 'running', name: 'x', seed: 1 }))
  const path = join(out, 'live.sock')
  const hello = { type: 'hello', protocol: 1, millrace: '0' }
  const head = { type: 'table', wire: 'a', index: 0, skipped: 0, bytes: 3 }
  const text = (...messages: unknown[]): string => messages.map((each) => `${JSON.stringify(each)}\n`).join('')
  const cases: [answer: string, message: RegExp][] = [
    ['no json\n', /r: what listens at its socket is no run: expected lines of JSON$/],
    [`${'x'.repeat(9 << 20)}`, /is no run: its lines have no end$/],
    [text({ ...hello, protocol: 'x'.repeat(99) }), /is no run: expected a message of a run: protocol: Invalid/],
    [text({ ...hello, protocol: 2 }), /speaks version 2 of its protocol, expected version 1/],
    [text({ type: 'error', message: {} }), /is no run: expected a message of a run: message: Invalid/],
    [text(hello, { ...head, bytes: 1e15 }), /is no run: expected a message of a run: bytes: Too big/],
    [text(hello, { ...head, wire: {} }), /is no run: expected a message of a run: wire: Invalid/],
    [text(hello, { type: 'state', name: 'x', stages: 'all' }), /is no run: expected a message of a run: process/],
    [text(hello, head, { type: 'bytes', data: 'AAAAAAAA' }), /has more than the 3 bytes that were announced$/],
    [text(hello, head, { type: 'bytes', data: 'AAAA' }), /the table that its socket sent cannot be read: /],
  ]
  for (const [answer, message] of cases) {
    const server = await strangeSocket(path, answer)
    await t.rejects(
      printed((output) => tapCommand(out, { ...flags, wire: 'a' }, output)),
      { code: 'DATA', message },
    )
    await new Promise((closed) => server.close(closed))
  }
  const elsewhere = await strangeSocket(join(out, 'other.sock'), text(hello, { type: 'end', reason: 'done' }))
  symlinkSync(join(out, 'other.sock'), path)
  t.match(await printed((output) => topCommand(out, {}, output)), /running where its socket cannot be reached/)
  elsewhere.close()
})

t.test('a recording that is missing or a link is refused', async (t) => {
  const out = join(t.testdir({ r: {}, secret: 'x' }), 'r')
  writeFileSync(join(out, 'run.json'), JSON.stringify({ status: 'done', name: 'x', seed: 1 }))
  writeFileSync(
    join(out, 'pipeline.yaml'),
    'name: x\nstages:\n  - use: load/digits\n  - use: batch/rows\n    with: { size: 9, epochs: 1 }\n' +
      '  - use: sink/arrow\n    with: { path: a.arrows }\n',
  )
  const tap = () => printed((output) => tapCommand(out, { ...flags, wire: 'rows' }, output))
  await t.rejects(tap, { code: 'DATA', message: /cannot read .*a\.arrows: no such file/ })
  symlinkSync('../secret', join(out, 'a.arrows'))
  await t.rejects(tap, { code: 'DATA', message: /a\.arrows: it is a symbolic link, which is not followed/ })
})
