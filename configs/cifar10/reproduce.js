#!/usr/bin/env node
// Runs the four published experiments and writes one report: npm run reproduce -- --help
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Pipeline, PipelineError, run } from '../../dist/index.js'
import { writeReport } from '../../dist/report/index.js'

const help = `Runs the four published experiments on CIFAR-10 and writes a report with verdicts.

npm run reproduce -- [options]

  --directory DIR   the binary version of CIFAR-10 (default: $CIFAR10_DIR, else data/cifar-10-batches-bin)
  --out FILE        the report (default: report.html)
  --tables DIR      its tables as Markdown, CSV and LaTeX, too
  --seeds N         repeats each experiment with N seeds, from its own on: mean ± standard deviation (default: 1)
  --runs DIR        where the run directories go; those of the last time are replaced (default: runs/reproduction)
  --set NAME=VALUE  sets a var of every experiment (repeatable)

Examples:
  npm run reproduce -- --directory data/cifar-10-batches-bin --out report.html
  npm run reproduce -- --directory data/cifar-10-batches-bin --seeds 5
`

const string = { type: 'string' }
const options = {
  directory: string,
  out: { ...string, default: 'report.html' },
  tables: string,
  seeds: { ...string, default: '1' },
  runs: { ...string, default: join('runs', 'reproduction') },
  set: { ...string, multiple: true, default: [] },
  help: { type: 'boolean', short: 'h' },
}

async function reproduce() {
  const { values } = parseArgs({ options })
  if (values.help) return process.stdout.write(help)
  const seeds = Number(values.seeds)
  if (!Number.isInteger(seeds) || seeds < 1 || seeds > 1000)
    throw new PipelineError('ARGUMENTS', `--seeds: expected a whole number from 1 to 1000, got ${values.seeds}`)
  const set = [...values.set, ...(values.directory === undefined ? [] : [`directory=${values.directory}`])]
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const files = readdirSync(folder).filter((file) => /^experiment-\d+\.yaml$/.test(file))
  const experiments = await Promise.all(files.sort().map((file) => Pipeline.load(join(folder, file), { set })))
  const directories = []
  for (const { name, seed: first } of experiments)
    for (let seed = first; seed < first + seeds; seed++) {
      const pipeline = await Pipeline.load(name.replace('cifar10-', 'cifar10/'), { set, seed })
      const out = join(values.runs, `${name}-seed-${seed}`)
      directories.push(out)
      process.stdout.write(`${name}, seed ${seed}: `)
      await run(pipeline, { out, force: true }).then(
        ({ record }) => process.stdout.write(`done in ${record.timings.total.toFixed(2)} s\n`),
        (error) => {
          // Data that is not there fails every run alike; what diverged is a result, and stands in the report.
          process.stdout.write('failed\n')
          if (error.code !== 'DIVERGED') throw error
          process.exitCode = 1
        },
      )
    }
  const { files: written, bytes, verdicts } = await writeReport(directories, values)
  for (const { experiment, verdict } of verdicts) process.stdout.write(`${experiment}: ${verdict}\n`)
  process.stdout.write(`${Math.ceil(bytes / 1024)} kB in ${written[0]}\n`)
  if (verdicts.some(({ verdict }) => verdict === 'differs')) process.exitCode = 1
}

reproduce().catch((error) => {
  const isWrong = error instanceof PipelineError || error.code?.startsWith('ERR_PARSE_ARGS')
  process.stderr.write(`${isWrong ? error.message : error.stack}\n`)
  process.exitCode = ['ARGUMENTS', 'DEFINITION'].includes(error.code) || !(error instanceof PipelineError) ? 2 : 1
})
