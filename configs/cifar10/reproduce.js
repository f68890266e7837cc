#!/usr/bin/env node
// Runs published experiments and writes one report: npm run reproduce -- --help
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checkInputFiles, Pipeline, PipelineError, run } from 'millrace'
import { writeReport } from 'millrace/report'

const help = `Runs the four published experiments on CIFAR-10 and writes a report with verdicts.

npm run reproduce -- [options]

  --suite NAME      softmax: the four experiments (default); networks: those with hidden layers or the hinge loss, and
                    Fashion-MNIST ($FASHION_MNIST_DIR, else Debian's package); what lacks its data is left out
  --directory DIR   the binary version of CIFAR-10 (default: $CIFAR10_DIR, else data/cifar-10-batches-bin)
  --out FILE        the report (default: report.html)
  --tables DIR      its tables as Markdown, CSV and LaTeX, too
  --seeds N         repeats each experiment with N seeds, from its own on: mean ± standard deviation (default: 1)
  --runs DIR        where the run directories go; those of the last time are replaced (default: runs/reproduction)
  --set NAME=VALUE  sets a var of every experiment (repeatable)

Examples:
  npm run reproduce -- --directory data/cifar-10-batches-bin --out report.html
  npm run reproduce -- --directory data/cifar-10-batches-bin --seeds 5
  npm run reproduce -- --suite networks --directory data/cifar-10-batches-bin --out networks.html
`

/** The pipelines of each suite, by their paths in configs/. */
const suites = {
  softmax: /^cifar10\/experiment-\d+\.yaml$/,
  networks: /^(cifar10\/(hinge|two-layer|three-layer|nine-layer).*|fashion-mnist\/(?!base\.).*)\.yaml$/,
}

const string = { type: 'string' }
const options = {
  suite: { ...string, default: 'softmax' },
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
  if (!Object.hasOwn(suites, values.suite))
    throw new PipelineError('ARGUMENTS', `--suite: expected ${Object.keys(suites).join(' or ')}, got ${values.suite}`)
  const folder = fileURLToPath(new URL('..', import.meta.url))
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => suites[values.suite].test(file))
    .sort()
  const load = (file, seed) => {
    const isCifar = file.startsWith('cifar10/') && values.directory !== undefined
    const set = [...values.set, ...(isCifar ? [`directory=${values.directory}`] : [])]
    return Pipeline.load(join(folder, file), { set, ...(seed !== undefined && { seed }) })
  }
  const experiments = await Promise.all(files.map(async (file) => [file, await load(file)]))
  const directories = []
  for (const [file, pipeline] of experiments) {
    const { name, seed: first } = pipeline
    const missing = values.suite === 'softmax' ? undefined : await missingData(pipeline)
    if (missing !== undefined) {
      process.stdout.write(`${name}: left out: ${missing}\n`)
      continue
    }
    for (let seed = first; seed < first + seeds; seed++) {
      const out = join(values.runs, `${name}-seed-${seed}`)
      directories.push(out)
      process.stdout.write(`${name}, seed ${seed}: `)
      await run(await load(file, seed), { out, force: true }).then(
        ({ record }) => process.stdout.write(`done in ${record.timings.total.toFixed(2)} s\n`),
        (error) => {
          // Data that is not there fails every run alike; what diverged is a result, and stands in the report.
          process.stdout.write('failed\n')
          if (error.code !== 'DIVERGED') throw error
          process.exitCode = 1
        },
      )
    }
  }
  if (directories.length === 0) throw new PipelineError('DATA', 'the data of none of these pipelines is there')
  const { files: written, bytes, verdicts } = await writeReport(directories, values)
  for (const { experiment, verdict } of verdicts) process.stdout.write(`${experiment}: ${verdict ?? 'not published'}\n`)
  process.stdout.write(`${Math.ceil(bytes / 1024)} kB in ${written[0]}\n`)
  if (verdicts.some(({ verdict }) => verdict === 'differs')) process.exitCode = 1
}

/** Why the data of a pipeline cannot be read; undefined if it can. */
async function missingData(pipeline) {
  try {
    await checkInputFiles(pipeline)
    return undefined
  } catch (error) {
    if (error.code !== 'DATA') throw error
    const { problems } = error
    return problems[0].message + (problems.length > 1 ? ` (and ${problems.length - 1} more)` : '')
  }
}

reproduce().catch((error) => {
  const isWrong = error instanceof PipelineError || error.code?.startsWith('ERR_PARSE_ARGS')
  process.stderr.write(`${isWrong ? error.message : error.stack}\n`)
  process.exitCode = ['ARGUMENTS', 'DEFINITION'].includes(error.code) || !(error instanceof PipelineError) ? 2 : 1
})
