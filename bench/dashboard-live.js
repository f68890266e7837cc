import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { chromium } from 'playwright-core'
import { browserPath } from './browser.js'
import { median, printTable } from './measure.js'
import { program, serveRuns, watchedRun } from './watched-run.js'

/** A run of 40 epochs that take a second and more each, with one thread. */
const EPOCHS = 40
const pipeline = watchedRun({ rows: 44_000, hidden: 512, epochs: EPOCHS })

/** Watches the first chart, in the page: when each of its points could be seen. */
const watchPoints = `(() => {
  window.seen = []
  let rows = 0
  new MutationObserver(() => {
    const chart = document.querySelector('section.chart')
    if (!chart) return
    chart.querySelector('details').open = true
    const from = rows
    rows = chart.querySelectorAll('tbody tr').length
    if (rows === from) return
    // A frame that begins after this one shows it.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      for (let i = from; i < rows; i++) window.seen[i] ??= Date.now()
    }))
  }).observe(document.body, { childList: true, subtree: true })
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
    mkdirSync(join(folder, 'runs'))
    const { server, url } = await serveRuns(folder)
    started.push(server)
    const page = await browser.newPage()
    const errors = []
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(url)
    await page.evaluate(watchPoints)
    const out = join(folder, 'runs/live')
    const args = ['run', join(folder, 'pipeline.yaml'), '--out', out, '--threads', '1']
    const run = execFile(process.execPath, [program, ...args])
    started.push(run)
    const grown = growths(join(out, 'metrics.csv'), new Promise((resolve) => run.on('exit', resolve)))
    await page.getByLabel('Curves of live').check()
    const times = await grown
    await page.locator(`section.chart tbody tr:nth-child(${EPOCHS})`).first().waitFor()
    await wait(500)
    const seen = await page.evaluate('window.seen')
    const delays = seen.flatMap((at, i) => (at && times[i] ? [Math.round(at - times[i])] : []))
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
    const now = statSync(file, { throwIfNoEntry: false })
    if (!now || now.size === size) {
      if (isOver) return times
      continue
    }
    size = now.size
    const rows = readFileSync(file, 'utf8').split('\n').length - 2
    for (let i = times.length; i < rows; i++) times[i] = now.mtimeMs
  }
}
