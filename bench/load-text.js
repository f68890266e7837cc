import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lastValueFrom, toArray } from 'rxjs'
import { arff } from '../dist/stages/load/arff.js'
import { csv } from '../dist/stages/load/csv.js'
import { jsonl } from '../dist/stages/load/jsonl.js'
import { loadContext } from './fuzz/load-context.js'
import { cpuOf } from './load-columns.js'
import { fixed, interleaved, median, printTable } from './measure.js'

const ROWS = 60_000
const WIDTH = 50

/** Measures the loading of text files of numbers. */
export async function textBench(folder, repeats) {
  const names = Array.from({ length: WIDTH }, (_, j) => `c${j}`)
  const cell = (i, j) => (Math.sin(i * (j + 1)) * 100).toFixed(4)
  const rows = Array.from({ length: ROWS }, (_, i) => [...names.map((_, j) => cell(i, j)), i % 10])
  const plain = rows.map((row) => `${row.join()}\n`).join('')
  const quoted = rows.map((row) => `${row.map((value) => `"${value}"`).join()}\n`).join('')
  const objects = rows.map((row) => `{${row.map((value, j) => `"${names[j] ?? 'label'}":${value}`).join()}}\n`).join('')
  const attributes = names.map((name) => `@attribute ${name} numeric\n`).join('')
  const classes = '0,1,2,3,4,5,6,7,8,9'
  const files = [
    ['CSV', csv, `${names},label\n${plain}`],
    ['CSV, in quotes', csv, `${names},label\n${quoted}`],
    ['JSON lines', jsonl, objects],
    ['ARFF', arff, `@relation r\n${attributes}@attribute label {${classes}}\n@data\n${plain}`],
  ].map(([name, stage, text]) => {
    const path = join(folder, name)
    writeFileSync(path, text)
    const options = stage.options.parse({ path, fractions: { train: 1 }, assign: 'order' })
    return { name, path, run: () => cpuOf(() => lastValueFrom(stage.run(options, loadContext()).pipe(toArray()))) }
  })
  const results = await interleaved(files, repeats)
  console.log(`\nLoading ${ROWS} rows of ${WIDTH} numbers from text`)
  printTable(
    ['', 'MB', 's of CPU', 'MB/s', 'without a turn, ms'],
    files.map((job) => {
      const of = (what) => median(results.get(job).map((result) => result[what]))
      const megabytes = statSync(job.path).size / 1e6
      return [
        job.name,
        fixed(megabytes, 0),
        fixed(of('seconds')),
        fixed(megabytes / of('seconds'), 0),
        fixed(of('stretch'), 0),
      ]
    }),
  )
}
