import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { exportCommand } from '../../dist/cli/export.js'
import { reportCommand } from '../../dist/cli/report.js'
import { rerunCommand } from '../../dist/cli/rerun.js'
import { resumeCommand } from '../../dist/cli/resume.js'
import { sweepCommand } from '../../dist/cli/sweep.js'
import { tableCommand } from '../../dist/cli/table.js'
import { asPipelineError, PipelineError } from '../../dist/pipeline/base/errors.js'
import { millrace } from '../cli/in-process.js'
import { collectedOutput } from '../cli/printed.js'
import { inside, temporary } from '../stages/harness.js'

const isWindows = process.platform === 'win32' && 'there are no named pipes as files'
const SECRET = 'SECRET-9f3a'

/** A sound run in `run`, and a sound sweep of one point in `sweep`. */
async function withRuns(cwd: string): Promise<void> {
  const short = ['--set', 'epochs=1', '--kernel', 'reference', '--quiet']
  const run = await millrace(['run', 'digits', ...short, '--out', 'run'], cwd)
  const grid = ['--grid', 'eta=0.1', '--grid', 'lambda=0', '--seeds', '1']
  const sweep = await millrace(['sweep', 'digits-grid', ...grid, ...short, '--out', 'sweep'], cwd)
  if (run.code !== 0 || sweep.code !== 0) throw new Error(run.stderr + sweep.stderr)
  const [key] = readFileSync(join(cwd, 'sweep/results.jsonl'), 'utf8').match(/(?<="key":")\w+/)!
  cpSync(join(cwd, 'sweep/points', key!), join(cwd, 'sweep/points/KEY'), { recursive: true })
  rmSync(join(cwd, 'sweep/points', key!), { recursive: true })
  for (const file of ['sweep.json', 'results.jsonl']) {
    const path = join(cwd, 'sweep', file)
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(key!, 'KEY'))
  }
}

/** The ways to put something else in the place of a file or a folder. */
const kinds = {
  'a link to a private file': (path: string, secret: string) => symlinkSync(secret, path),
  'a link to a private folder': (path: string, secret: string) => symlinkSync(dirname(secret), path),
  'a dangling link': (path: string) => symlinkSync('/nowhere/at/all', path),
  'a pipe': (path: string) => execFileSync('mkfifo', [path]),
  'a folder': (path: string) => mkdirSync(path),
}

const places: readonly [place: string, commands: readonly string[]][] = [
  ['run/run.json', ['report', 'table', 'export', 'rerun', 'resume']],
  ['run/pipeline.yaml', ['report', 'table', 'export', 'rerun', 'resume']],
  ['run/metrics.csv', ['report', 'table']],
  ['run/extra.arrows', ['report', 'table']],
  ['run/parameters.arrow', ['export']],
  ['run/figures', ['report']],
  ['run/figures/confusion.svg', ['report']],
  ['run/figures/confusion.csv', ['report']],
  ['run/gradient-check.csv', ['report']],
  ['sweep/sweep.json', ['report', 'table']],
  ['sweep/results.jsonl', ['report', 'table', 'sweep']],
  ['sweep/results', ['report', 'table']],
  ['sweep/results/x.json', ['report', 'table']],
  ['sweep/points', ['report', 'table', 'sweep']],
  ['sweep/points/KEY', ['report', 'table']],
  ['sweep/points/KEY/run.json', ['report', 'table']],
]

t.test(
  'whatever lies in the place of a file of a run or of a sweep, nothing hangs or leaks',
  { skip: isWindows },
  async (t) => {
    const cwd = inside(t, temporary(t))
    const secret = join(cwd, 'private/secret')
    mkdirSync(dirname(secret))
    const content = `epoch,step,train_loss,gradient,verdict\n1,1,0.5,${SECRET},pass\n<svg>${SECRET}</svg>\n`
    writeFileSync(secret, content)
    for (const name of ['run.json', 'confusion.svg', 'confusion.csv', 'metrics.csv'])
      writeFileSync(join(cwd, 'private', name), content)
    await withRuns(cwd)
    const [run, sweep] = [join(cwd, 'keep-run'), join(cwd, 'keep-sweep')]
    cpSync(join(cwd, 'run'), run, { recursive: true })
    cpSync(join(cwd, 'sweep'), sweep, { recursive: true })
    for (const [place, commands] of places)
      for (const [kind, make] of Object.entries(kinds)) {
        const name = place.split('/')[0]!
        rmSync(join(cwd, name), { recursive: true })
        cpSync(name === 'run' ? run : sweep, join(cwd, name), { recursive: true })
        const path = join(cwd, place)
        rmSync(path, { recursive: true, force: true })
        mkdirSync(dirname(path), { recursive: true })
        make(path, secret)
        for (const command of commands) {
          const what = `${command}: ${kind} as ${place}`
          rmSync('report.html', { force: true })
          const { text, code } = await outcomeOf(command, name)
          t.ok(expected.includes(code), `${what}: ${code} ${text}`)
          const page = existsSync('report.html') ? readFileSync('report.html', 'utf8') : ''
          t.notMatch(text + page, /SECRET-9f3a|U0VDUkVULTlmM2E/, what)
          t.equal(readFileSync(secret, 'utf8'), content, what)
        }
      }
  },
)

const expected = ['none', 'ARGUMENTS', 'DATA', 'DEFINITION', 'WRITE', 'ABORTED']

/** Runs a command on a directory. Returns the code of its error, and everything it said. */
async function outcomeOf(
  command: string,
  directory: string,
): Promise<{ readonly text: string; readonly code: string }> {
  const { seen, output } = collectedOutput()
  const run = {
    report: () => reportCommand([directory], { out: 'report.html', tables: 'tables' }, output),
    table: async () => tableCommand([directory], { format: 'text' }, output),
    export: async () => exportCommand(directory, { format: 'npz', which: 'last', force: true }, output),
    rerun: () => rerunCommand(directory, { kernel: 'reference' }, output),
    resume: () => resumeCommand(directory, { set: [], kernel: 'reference' }, output),
    sweep: () =>
      sweepCommand(
        'digits-grid',
        {
          set: ['epochs=1'],
          grid: ['eta=0.2', 'lambda=0'],
          seeds: '1',
          over: [],
          jobs: 1,
          onFail: 'continue',
          out: directory,
        },
        output,
      ),
  }[command]!
  try {
    await run()
    return { text: seen.all, code: 'none' }
  } catch (error) {
    const { code, message } = error instanceof PipelineError ? error : asPipelineError(error)
    return { text: seen.all + message, code }
  }
}
