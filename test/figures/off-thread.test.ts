import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { curvesFigure, drawOffThread, pngOf } from '../../dist/figures/index.js'

const rows = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ epoch: 1 + Math.floor(i / 20), step: i + 1, train_loss: 1 / (i + 1) }))

t.test('what is drawn in another thread has the same bytes', async (t) => {
  const given = [[{ name: 'a', rows: rows(30) }], { scale: 'log' }] as const
  const svg = await drawOffThread('curvesFigure', [...given])
  t.equal(svg, await curvesFigure(...given))
  t.strictSame(Buffer.from(await drawOffThread('pngOf', [svg])), Buffer.from(await pngOf(svg)))
})

t.test('the event loop goes on while a figure of many evaluations is drawn', async (t) => {
  let turns = 0
  const timer = setInterval(() => turns++, 5)
  await drawOffThread('curvesFigure', [[{ name: 'a', rows: rows(20_000) }], {}])
  clearInterval(timer)
  t.ok(turns > 10, `${turns} turns`)
})

t.test('an error is that of the function, and the next figure is drawn', async (t) => {
  await t.rejects(drawOffThread('curvesFigure', [[], {}]), { message: 'there is no evaluation to draw' })
  t.match(await drawOffThread('barsFigure', [[{ group: 'a', name: 'b', value: 1 }]]), '<svg')
})

t.test('a figure that comes while the thread ends, because it had no work, is drawn in another', async (t) => {
  const { setTimeout } = globalThis
  let end = (): void => {}
  const later = (run: () => void, delay?: number) => {
    if (delay === 10_000) end = run
    return setTimeout(run, delay)
  }
  globalThis.setTimeout = later as typeof setTimeout
  t.teardown(() => {
    globalThis.setTimeout = setTimeout
  })
  const draw = () => drawOffThread('barsFigure', [[{ group: 'a', name: 'b', value: 1 }]])
  const first = await draw()
  end()
  t.equal(await draw(), first)
})

t.test('a drawing does not keep a process alive that was stopped', async (t) => {
  const source = `
    import { drawOffThread } from ${JSON.stringify(new URL('../../dist/figures/index.js', import.meta.url).href)}
    const stop = new AbortController()
    const rows = Array.from({ length: 200000 }, (_, i) => ({ epoch: i, step: i, train_loss: 1 }))
    drawOffThread('curvesFigure', [[{ name: 'a', rows }], {}], stop.signal).then(() => console.log('drawn'))
    stop.abort()`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { stdout: true })
  let text = ''
  worker.stdout.on('data', (chunk) => {
    text += chunk
  })
  await new Promise((done) => worker.on('exit', done))
  t.equal(text, '')
})

t.test('a thread that prepares keeps no process alive', async (t) => {
  const source = `
    import { prepareDrawing } from ${JSON.stringify(new URL('../../dist/figures/index.js', import.meta.url).href)}
    prepareDrawing('curves')
    prepareDrawing('png')`
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`))
  const timer = setTimeout(() => worker.terminate(), 8000)
  t.equal(await new Promise((done) => worker.on('exit', done)), 0)
  clearTimeout(timer)
})

t.test('figures are drawn without the loaders of the process, which are not found from another folder', async (t) => {
  const url = new URL('../../dist/figures/index.js', import.meta.url)
  const cwd = t.testdir({
    'loader.mjs': '',
    elsewhere: {},
    'draw.mjs': `
      import { drawOffThread } from ${JSON.stringify(url.href)}
      process.chdir('elsewhere')
      console.log((await drawOffThread('barsFigure', [[{ group: 'a', name: 'b', value: 1 }]])).slice(0, 4))`,
  })
  const { stdout } = await promisify(execFile)(process.execPath, ['--import=./loader.mjs', 'draw.mjs'], { cwd })
  t.equal(stdout, '<svg\n')
})
