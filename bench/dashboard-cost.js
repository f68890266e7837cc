import { execFile } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { chromium } from 'playwright-core'
import { browserPath } from './browser.js'
import { median, printTable } from './measure.js'
import { program, serveRuns, watchedRun } from './watched-run.js'

/** A network that trains for some ten seconds on two cores. */
const pipeline = watchedRun({ rows: 22_000, hidden: 256, epochs: 40 })

/** An hour with an evaluation every 100 ms. */
const EVALUATIONS = 36_000

/**
 * Measures what an open page of `millrace dashboard` costs: the heap of the page during an hour's evaluations, which come
 * sixty times as fast, and the time of a training run with the page open and without, in turns.
 */
export async function dashboardCost({ repeats, evaluations = EVALUATIONS }) {
  if (!browserPath) return console.log('\ndashboard needs Chromium: name it in CHROMIUM')
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] })
  try {
    writeFileSync(join(folder, 'pipeline.yaml'), pipeline)
    await train(folder, 'first', '--set', 'epochs=2')
    await heap(browser, folder, evaluations)
    for (const threads of new Set([availableParallelism(), 1])) await slowDown(browser, folder, repeats, threads)
  } finally {
    await browser.close()
    rmSync(folder, { recursive: true })
  }
}

async function heap(browser, folder, evaluations) {
  console.log(`\nDashboard: heap of the page, in MB, after this many evaluations of one run (${evaluations} in all)`)
  const record = join(folder, 'runs/first/run.json')
  const text = readFileSync(record, 'utf8')
  writeFileSync(record, text.replace('"status": "done"', '"status": "running"'))
  const [columns] = readFileSync(join(folder, 'runs/first/metrics.csv'), 'utf8').split('\n')
  const { page, close } = await openPage(browser, folder)
  const session = await page.context().newCDPSession(page)
  const marks = [0.1, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * evaluations))
  const used = []
  for (let from = 0; from < evaluations; ) {
    const to = Math.min(from + 60, marks[used.length])
    const rows = Array.from({ length: to - from }, (_, i) =>
      columns
        .split(',')
        .map((_, column) => (column < 2 ? 100 + from + i : 1 / (1 + from + i)))
        .join(),
    )
    appendFileSync(join(folder, 'runs/first/metrics.csv'), `${rows.join('\n')}\n`)
    from = to
    await wait(100)
    if (from !== marks[used.length]) continue
    await wait(1000)
    await session.send('HeapProfiler.collectGarbage')
    used.push((await session.send('Runtime.getHeapUsage')).usedSize / 2 ** 20)
  }
  await close()
  writeFileSync(record, text)
  printTable(['', ...marks.map(String)], [['heap', ...used.map((size) => size.toFixed(1))]])
}

async function slowDown(browser, folder, repeats, threads) {
  const times = { without: [], with: [] }
  for (let i = 0; i < repeats; i++)
    for (const kind of ['without', 'with']) {
      const opened = kind === 'with' ? await openPage(browser, folder) : undefined
      const name = `${kind}-${threads}-${i}`
      const training = train(folder, name, '--threads', String(threads))
      await opened?.page.getByLabel(`Curves of ${name}`).check()
      times[kind].push(await training)
      await opened?.close()
    }
  const [without, withPage] = [median(times.without), median(times.with)]
  const change = (100 * (withPage / without - 1)).toFixed(1)
  console.log(`\nDashboard: seconds to train 7,920 steps, 40 evaluations, threads: ${threads}, median of ${repeats}`)
  printTable(['without a page', 'with a page', 'change'], [[without.toFixed(2), withPage.toFixed(2), `${change} %`]])
}

/** Opens a page with the curves of the runs of a folder, served by a process of its own as for users. */
async function openPage(browser, folder) {
  const { server, url } = await serveRuns(folder)
  const page = await browser.newPage()
  await page.goto(url)
  await page.getByRole('button', { name: /^Choose \d/ }).click()
  await page.locator('.u-over').first().waitFor()
  return {
    page,
    close: async () => {
      await page.close()
      server.kill()
    },
  }
}

/** Trains, and returns the seconds that the run took by its own record. */
async function train(folder, name, ...options) {
  const out = join(folder, 'runs', name)
  await promisify(execFile)(process.execPath, [program, 'run', join(folder, 'pipeline.yaml'), '--out', out, ...options])
  return JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')).timings.total
}
