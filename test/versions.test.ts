import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { decodeTensors, exportParameters, readParameters } from '../dist/index.js'
import { millrace } from './cli/millrace.js'
import { temporary } from './stages/harness.js'

const fixtures = new URL('fixtures/0.1.0/', import.meta.url)

/** A copy of what version 0.1.0 wrote, in a folder of its own. */
function copy(t: Test): string {
  const folder = temporary(t)
  cpSync(fixtures, folder, { recursive: true })
  return folder
}

/** Runs a command that must succeed, and returns what it printed. */
async function millraceOk(t: Test, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await millrace(args, cwd)
  t.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout
}

/** The lines of `metrics.csv`, with the given columns alone: a later version may add others. */
function metricsOf(directory: string, columns: readonly string[]): string[] {
  const [header, ...lines] = readFileSync(join(directory, 'metrics.csv'), 'utf8').trimEnd().split('\n')
  const names = header!.split(',')
  return lines.map((line) => {
    const cells = line.split(',')
    return columns.map((column) => cells[names.indexOf(column)]).join()
  })
}

function columnsOf(directory: string): string[] {
  return readFileSync(join(directory, 'metrics.csv'), 'utf8').split('\n', 1)[0]!.split(',')
}

/** The arrays of an Arrow file of parameters, by name: a later version may add metadata. */
function arraysOf(file: string): Record<string, number[]> {
  const rows = readParameters(file).toArray() as { name: string; values: Iterable<number> }[]
  return Object.fromEntries(rows.map(({ name, values }) => [name, [...values]]))
}

/** Checks that two directories hold the same metrics, in the columns of 0.1.0, and the same final parameters. */
function checkSame(t: Test, found: string, expected: string, columns: readonly string[]): void {
  t.strictSame(metricsOf(found, columns), metricsOf(expected, columns), 'metrics.csv')
  for (const file of ['parameters.arrow', 'best.arrow'])
    t.strictSame(arraysOf(join(found, file)), arraysOf(join(expected, file)), file)
}

const digits = { folder: '.', run: 'digits', kernel: 'wasm', parameters: 'parameters.arrow', step: 320 }
/** Runs that did not end, with the step of their checkpoint. */
const unfinished = [
  { folder: '.', run: 'interrupted', kernel: 'wasm', parameters: 'parameters.arrow', step: 396 },
  { folder: '.', run: 'divided', kernel: 'wasm', parameters: 'parameters.arrow', step: 361 },
  { folder: 'killed', run: 'run', kernel: 'reference', parameters: 'best.arrow', step: 10 },
]
const custom = { folder: 'custom', run: 'run', kernel: 'wasm', parameters: 'parameters.arrow', step: 369 }
const runs = [digits, ...unfinished, custom]

t.test('the fixtures are those that version 0.1.0 wrote', async (t) => {
  for (const { folder, run } of runs) {
    const file = new URL(`${folder}/${run}/run.json`, fixtures)
    t.equal(JSON.parse(readFileSync(file, 'utf8')).versions.millrace, '0.1.0', file.pathname)
  }
})

t.test('table and report show the runs of version 0.1.0', async (t) => {
  const cwd = copy(t)
  const directories = runs.map(({ folder, run }) => join(folder, run))
  t.match(await millraceOk(t, ['table', ...directories], cwd), /digits .*0\.2207 +96\.34 % .* 94\.44 % +done\n/)
  t.match(
    await millraceOk(t, ['report', ...directories, '--out', 'report.html'], cwd),
    /digits, beside what was published: reproduced/,
  )
  const html = readFileSync(join(cwd, 'report.html'), 'utf8')
  t.match(html, /millrace 0\.1\.0/)
  for (const accuracy of ['96.34 %', '96.50 %', '63.33 %', '92.53 %']) t.ok(html.includes(accuracy), accuracy)
})

t.test('export reads the parameters of version 0.1.0', async (t) => {
  const cwd = copy(t)
  const { folder, run, parameters } = digits
  const options = ['--which', parameters, '--format', 'npz', '--out', 'w.npz']
  await millraceOk(t, ['export', join(folder, run), ...options], cwd)
  t.ok(existsSync(join(cwd, 'w.npz')))
  for (const { folder, run, parameters } of runs) {
    const directory = join(folder, run)
    const table = readParameters(join(cwd, directory, parameters))
    t.ok(exportParameters(table, 'npz').length > 0)
    const { tensors } = decodeTensors(exportParameters(table, 'safetensors'))
    for (const [name, values] of Object.entries(arraysOf(join(cwd, directory, parameters))))
      t.strictSame([...(tensors.get(name)?.values ?? [])], values, `${directory}: ${name}`)
  }
})

t.test('a new run has the numbers of version 0.1.0', async (t) => {
  const cwd = copy(t)
  await millraceOk(t, ['run', 'digits/pipeline.yaml', '--out', 'new', '--kernel', 'wasm', '--quiet'], cwd)
  checkSame(t, join(cwd, 'new'), join(cwd, 'digits'), columnsOf(join(cwd, 'digits')))
})

t.test('a finished run of version 0.1.0 is done, and can be made longer', async (t) => {
  const cwd = copy(t)
  const columns = columnsOf(join(cwd, 'digits'))
  t.match(await millraceOk(t, ['resume', 'digits'], cwd), /^digits is done; /)
  const longer = ['--set', 'epochs=11', '--quiet']
  await millraceOk(t, ['run', 'digits/pipeline.yaml', '--out', 'new', '--kernel', 'wasm', ...longer], cwd)
  await millraceOk(t, ['resume', 'digits', ...longer], cwd)
  t.match(JSON.parse(readFileSync(join(cwd, 'digits/run.json'), 'utf8')), { status: 'done', resumedAt: digits.step })
  checkSame(t, join(cwd, 'digits'), join(cwd, 'new'), columns)
})

for (const { folder, run, kernel, step } of unfinished)
  t.test(`${join(folder, run)} of version 0.1.0 goes on to the end it would have had`, async (t) => {
    const cwd = join(copy(t), folder)
    const columns = columnsOf(join(cwd, run))
    await millraceOk(t, ['run', `${run}/pipeline.yaml`, '--out', 'new', '--kernel', kernel, '--quiet'], cwd)
    await millraceOk(t, ['resume', run, '--quiet'], cwd)
    const record = JSON.parse(readFileSync(join(cwd, run, 'run.json'), 'utf8'))
    t.match(record, { status: 'done', resumedAt: step, kernel: { name: kernel } })
    checkSame(t, join(cwd, run), join(cwd, 'new'), columns)
    t.strictSame(readdirSync(join(cwd, run)).sort(), readdirSync(join(cwd, 'new')).sort())
  })

t.test('a run whose stage imports as in version 0.1.0 is refused with the fix, and goes on after it', async (t) => {
  const cwd = join(copy(t), custom.folder)
  const before = readFileSync(join(cwd, 'run/metrics.csv'), 'utf8')
  const { code, stderr } = await millrace(['resume', 'run'], cwd)
  t.equal(code, 2)
  t.match(
    stderr,
    /^run\/pipeline\.yaml:\d+:\d+ {2}stages\[4\]: cannot load the stage \.\.\/noise\.js: .* named 'defineStage'; import it from "millrace\/stage"\n/,
  )
  t.equal(readFileSync(join(cwd, 'run/metrics.csv'), 'utf8'), before, 'nothing is written')

  const stage = readFileSync(join(cwd, 'noise.js'), 'utf8')
  writeFileSync(join(cwd, 'noise.js'), stage.replace("from 'millrace'", "from 'millrace/stage'"))
  const options = ['--kernel', 'wasm', '--plugins', '.', '--quiet']
  await millraceOk(t, ['run', 'run/pipeline.yaml', '--out', 'new', ...options], cwd)
  await millraceOk(t, ['resume', 'run', '--quiet'], cwd)
  checkSame(t, join(cwd, 'run'), join(cwd, 'new'), before.split('\n', 1)[0]!.split(','))
})

t.test('a sweep of version 0.1.0 is shown, and goes on', async (t) => {
  const cwd = copy(t)
  const table = await millraceOk(t, ['table', 'sweep'], cwd)
  t.match(table, /^2 settings\n.*\n\* +0\.1 +0\.5057 +92\.61 %.*\n +0\.02 +1\.3168 +88\.31 %/)
  await millraceOk(t, ['report', 'sweep', '--out', 'report.html'], cwd)
  t.match(readFileSync(join(cwd, 'report.html'), 'utf8'), /91\.85 %/)
  const again = await millraceOk(t, ['sweep', 'sweep.yaml', '--out', 'sweep', '--kernel', 'wasm', '--jobs', '1'], cwd)
  t.match(again, /2 of 2 points done/)
  t.equal(await millraceOk(t, ['table', 'sweep'], cwd), table, 'with the same numbers')
})
