import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { browserPath } from './browser.js'
import { median, printTable } from './measure.js'

const program = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url))

/** A run of 40 epochs that take a second and more each, with one thread. */
const EPOCHS = 40
const pipeline = `stages:
  - id: data
    use: load/synthetic
    with: { kind: blobs, features: 784, classes: 10, rows: 44000, noise: 3, fractions: { train: 0.9, validation: 0.1 } }
  - id: ready
    use: normalize/standardize
  - use: batch/rows
    with: { size: 100, epochs: ${EPOCHS} }
  - use: shuffle/batches
  - id: model
    use: gradient-step/network
    with: { hidden: [1024], eta: 0.01, lambda: 0.001 }
  - id: metrics
    use: evaluate/classification
    from: { parameters: model, examples: ready }
  - use: sink/csv
    from: metrics
    with: { path: metrics.csv }
`

/** Watches a chart, in the page: when it drew how many points, and when that could be seen. */
const watchPoints = `(() => {
  window.seen = []
  const body = document.querySelector('section.chart table tbody')
  let rows = body.children.length
  new MutationObserver(() => {
    const from = rows
    rows = body.children.length
    // A frame that begins after this one shows it.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      for (let i = from; i < rows; i++) window.seen[i] = Date.now()
    }))
  }).observe(body, { childList: true })
})()`

/**
 * Measures, for each epoch of a run, the time from the growth of its metrics file to the point on a page of `millrace
 * dashboard` that shows the run while it trains: until the browser has drawn it.
 */
export async function dashboardLive() {
  if (!browserPath) return console.log('\ndashboard-live needs Chromium: name it in CHROMIUM')
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
  const started = []
  try {
    writeFileSync(join(folder, 'pipeline.yaml'), pipeline)
    const out = join(folder, 'runs/live')
    const run = execFile(process.execPath, [
      program,
      'run',
      join(folder, 'pipeline.yaml'),
      '--out',
      out,
      '--threads',
      '1',
    ])
    const ended = new Promise((resolve) => run.on('exit', resolve))
    started.push(run)
    const grown = growths(join(out, 'metrics.csv'), ended)
    while (!existsSync(join(out, 'metrics.csv'))) await wait(20)
    const server = execFile(process.execPath, [program, 'dashboard', join(folder, 'runs'), '--no-open'])
    started.push(server)
    const url = await new Promise((resolve) => server.stdout.once('data', (text) => resolve(text.split('\n')[0])))
    const page = await browser.newPage()
    const errors = []
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(url)
    await page.getByLabel('Curves of live').check()
    const chart = page.locator('section.chart').first()
    await chart.locator('summary').click()
    await chart.locator('tbody').waitFor()
    await page.evaluate(watchPoints)
    const times = await grown
    await chart.locator(`tbody tr:nth-child(${EPOCHS})`).waitFor()
    await wait(500)
    const seen = await page.evaluate('window.seen')
    const delays = seen.flatMap((at, i) => (at && times[i] ? [at - times[i]] : []))
    const sorted = [...delays].sort((a, b) => a - b)
    const spacing = median(times.slice(1).map((time, i) => time - times[i]))
    console.log(
      `\nDashboard: ms from the growth of the metrics file to the point on the page, ${EPOCHS} epochs of ${(spacing / 1000).toFixed(1)} s`,
    )
    printTable(
      ['points', 'least', 'median', 'most', 'over 500 ms', 'errors'],
      [
        [
          `${delays.length} of ${EPOCHS}`,
          sorted[0],
          median(delays),
          sorted.at(-1),
          delays.filter((delay) => delay > 500).length,
          errors.length,
        ],
      ],
    )
    console.log(delays.join(' '))
  } finally {
    for (const child of started) child.kill()
    await browser.close()
    rmSync(folder, { recursive: true })
  }
}

/** When the file had so many rows, below its header, until the run has ended. */
async function growths(file, ended) {
  const times = []
  let isOver = false
  ended.then(() => (isOver = true))
  for (let size = -1; ; await wait(2)) {
    const now = statSync(file, { throwIfNoEntry: false })?.size ?? -1
    if (now === size) {
      if (isOver) return times
      continue
    }
    size = now
    const at = Date.now()
    const rows = readFileSync(file, 'utf8').split('\n').length - 2
    for (let i = times.length; i < rows; i++) times[i] = at
  }
}
