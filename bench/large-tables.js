import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fixed, interleaved, median, printTable } from './measure.js'

const job = fileURLToPath(new URL('jobs/command.js', import.meta.url))
const cli = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url))
const COLUMNS = 20

/** Prints memory and time of a CSV file of 200 MB: read into the cache with little memory and with much, and predicted. */
export async function largeTables({ repeats, kernels }) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  console.log(
    '\nA CSV file of 200 MB (1.2 million rows, 20 columns; 98 MB as float32): largest MB of the process, seconds',
  )
  try {
    writeTable(join(folder, 'small.csv'), 2e6)
    writeTable(join(folder, 'large.csv'), 200e6)
    const kernel = kernels[0]
    const command = (name, args) => ({ name, command: process.execPath, args: [job, cli, ...args] })
    const training = (name, data, memory, cache) => {
      const file = join(folder, `${memory ?? 'all'}-${data}.yaml`)
      writeFileSync(file, definition(join(folder, data), cache))
      const given = memory ? ['--memory', memory] : []
      const out = join(folder, `run-${data}`)
      return command(name, ['run', file, '--out', out, '--force', '--quiet', '--kernel', kernel, ...given])
    }
    await interleaved([training('', 'small.csv', undefined, 'none')], 1)
    const run = join(folder, 'run-small.csv')
    const jobs = [
      training('train, without limit and cache', 'large.csv', undefined, 'none'),
      // Once: the next time the cache is there.
      { ...training('train, the cache is written, memory: 30MB', 'large.csv', '30MB', 'cache'), repeats: 1 },
      command('predict', [
        'predict',
        run,
        join(folder, 'large.csv'),
        '--out',
        join(folder, 'p.csv'),
        '--force',
        '--quiet',
      ]),
    ]
    const found = await interleaved(jobs, repeats)
    printTable(
      ['', 'MB', 's'],
      jobs.map((each) => {
        const all = found.get(each)
        const most = Math.max(...all.map(({ rss }) => rss))
        return [each.name, fixed(most, 0), fixed(median(all.map(({ seconds }) => seconds)), 1)]
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function definition(path, cache) {
  return `stages:
  - use: load/csv
    with: { path: ${path} }
${cache === 'cache' ? '  - use: cache/arrow\n    with: { directory: cache }\n' : ''}  - use: normalize/standardize
  - use: batch/rows
    with: { size: 100, epochs: 1 }
  - use: gradient-step/softmax
    with: { eta: 0.1 }
  - use: sink/parameters
    with: { path: parameters.arrow }
`
}

/** Writes a table of about so many bytes, with two classes. */
function writeTable(path, bytes) {
  const file = openSync(path, 'w')
  let state = 1
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
  let written = writeSync(file, `${Array.from({ length: COLUMNS }, (_, j) => `x${j}`).join()},label\n`)
  while (written < bytes) {
    const rows = Array.from({ length: 1000 }, () => {
      const label = next() < 0.5 ? 0 : 1
      return `${Array.from({ length: COLUMNS }, (_, j) => (10 * next() + (label * j) / 10).toFixed(5)).join()},${'ab'[label]}\n`
    })
    written += writeSync(file, rows.join(''))
  }
  closeSync(file)
}
