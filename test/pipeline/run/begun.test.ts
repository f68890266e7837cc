import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Test, test } from 'tap'
import { Pipeline, run } from '../../../dist/index.js'
import { standingOf, startOrResume } from '../../../dist/pipeline/run/begun.js'
import { differingFiles } from '../../../dist/report/compared-files.js'
import { finished, spawnMillrace } from '../../cli/millrace.js'
import { errorOf, temporary } from '../../stages/harness.js'
import { common, data } from './keeping.js'
import { definition, dying, folder as mortalFolder } from './mortal.js'

const plain = definition.replace(/.*mortal.*\n/, '')
const kernel = 'reference' as const

/** A folder with the pipeline, its data, and a directory `whole` with its run. */
async function prepared(t: Test) {
  const folder = temporary(t, { 'p.yaml': plain, 'data.csv': data })
  const load = (set: string[] = [], file = 'p.yaml') => Pipeline.load(join(folder, file), { set })
  const pipeline = await load()
  const whole = join(folder, 'whole')
  await run(pipeline, { out: whole, kernel })
  return { folder, load, pipeline, whole, out: join(folder, 'out') }
}

test('a run begins, and is done', async (t) => {
  const { pipeline, whole, out } = await prepared(t)
  t.equal(await standingOf(pipeline, out), 'new')
  const { record } = await startOrResume(pipeline, { out, kernel }).result
  t.equal(record.status, 'done')
  t.strictSame(differingFiles(whole, out), [])
  t.equal(await standingOf(pipeline, out), 'done')
})

test('whatever a kill or a loss of power leaves, the run goes on to the same bytes', async (t) => {
  const { pipeline, whole, folder } = await prepared(t)
  const record = JSON.parse(readFileSync(join(whole, 'run.json'), 'utf8'))
  const young = { ...record, status: 'running', files: ['run.json'] }
  const write = (out: string, name: string, text: string) => writeFileSync(join(out, name), text)
  const cases: Record<string, [standing: string, change: (out: string) => void]> = {
    'an empty directory': ['new', (out) => emptied(out)],
    'a temporary file': ['new', (out) => write(emptied(out), 'run.json.part', '{"sta')],
    'a lock of a process that has ended': ['new', (out) => write(emptied(out), 'lock', '{"id":')],
    'a record alone': ['new', (out) => write(emptied(out), 'run.json', JSON.stringify(young))],
    'a record and an empty definition': [
      'new',
      (out) => {
        write(emptied(out), 'run.json', JSON.stringify(young))
        write(out, 'pipeline.yaml', '')
      },
    ],
    'a record and the definition': [
      'begun',
      (out) => {
        copyFileSync(join(whole, 'pipeline.yaml'), join(emptied(out), 'pipeline.yaml'))
        write(out, 'run.json', JSON.stringify(young))
      },
    ],
    'the definition without a record': [
      'begun',
      (out) => copyFileSync(join(whole, 'pipeline.yaml'), join(emptied(out), 'pipeline.yaml')),
    ],
    'checkpoints without a record': ['begun', (out) => rmSync(join(out, 'run.json'))],
    'checkpoints and an empty definition': [
      'begun',
      (out) => {
        write(out, 'run.json', JSON.stringify({ ...record, status: 'running' }))
        write(out, 'pipeline.yaml', '')
      },
    ],
    'checkpoints that are cut off': [
      'begun',
      (out) => {
        write(out, 'run.json', JSON.stringify({ ...record, status: 'running' }))
        for (const name of checkpointsIn(out)) write(out, name, readFileSync(join(out, name), 'latin1').slice(0, 50))
      },
    ],
  }
  for (const [name, [standing, change]] of Object.entries(cases)) {
    const out = join(folder, name.replaceAll(' ', '-'))
    cpSync(whole, out, { recursive: true })
    change(out)
    t.equal(await standingOf(pipeline, out), standing, name)
    await startOrResume(pipeline, { out, kernel }).result
    t.strictSame(differingFiles(whole, out), [], name)
    t.equal(await standingOf(pipeline, out), 'done', name)
  }
})

/** Empties a directory, and returns it. */
function emptied(out: string): string {
  rmSync(out, { recursive: true })
  mkdirSync(out)
  return out
}

function checkpointsIn(out: string): string[] {
  return readdirSync(join(out, 'checkpoint')).map((name) => join('checkpoint', name))
}

test('another definition, and what is no run of this one, is refused', async (t) => {
  const { folder, load, pipeline, whole, out } = await prepared(t)
  const refused = async (given: Pipeline, directory = whole) => {
    const before = readFileSync(join(whole, 'run.json'), 'utf8')
    const error = await errorOf(standingOf(given, directory))
    const second = await errorOf(startOrResume(given, { out: directory, kernel }).result)
    t.strictSame(second, error, 'both say the same')
    t.equal(readFileSync(join(whole, 'run.json'), 'utf8'), before, 'nothing is written')
    t.notOk(existsSync(join(directory, 'lock')), 'no lock remains')
    return error
  }
  for (const [set, message] of [
    [['eta=0.2'], 'model.eta: was 0.1, is now 0.2'],
    [['epochs=8'], 'cut.epochs: was 4, is now 8'],
    [['seed=8'], 'seed: was 7, is now 8'],
    [['shuffle=batches'], 'batches.use: was "shuffle/rows", is now "shuffle/batches"'],
  ] as const) {
    const [code, text] = await refused(await load([...set]))
    t.equal(code, 'DEFINITION')
    t.match(text, message)
    t.match(text, /whole has a run of another definition, so nothing was done: give another directory with --out, or/)
  }
  writeFileSync(join(folder, 'less.yaml'), plain.replace(/.*sink\/jsonl.*\n/, ''))
  writeFileSync(join(folder, 'other.yaml'), `# A remark changes nothing.\ndescription: another\n${plain}`)
  t.match((await refused(await load([], 'less.yaml')))[1], 'the run has a stage jsonl, the definition has not')
  t.equal(await standingOf(await load([], 'other.yaml'), whole), 'done')

  cpSync(whole, out, { recursive: true })
  rmSync(join(out, 'pipeline.yaml'))
  t.equal(await standingOf(pipeline, out), 'done', 'the record knows the definition')
  const lost = await refused(await load(['eta=0.2']), out)
  t.match(lost, [
    'ARGUMENTS',
    /a run lies there without its pipeline.yaml, and it was not started with this definition/,
  ])
})

test('what is no run stays', async (t) => {
  const { folder, pipeline, out } = await prepared(t)
  writeFileSync(out, 'a file')
  t.match(await errorOf(startOrResume(pipeline, { out, kernel }).result), [
    'ARGUMENTS',
    /it is a file, expected a directory/,
  ])
  const own = join(folder, 'own')
  mkdirSync(own)
  writeFileSync(join(own, 'pipeline.yaml'), 'mine')
  t.match(await errorOf(startOrResume(pipeline, { out: own, kernel }).result), [
    'ARGUMENTS',
    /pipeline.yaml lies there/,
  ])
  t.equal(readFileSync(join(own, 'pipeline.yaml'), 'utf8'), 'mine')
})

test('the same command again and again, in a terminal', async (t) => {
  const cwd = mortalFolder(t)
  const again = (env = {}, ...more: string[]) =>
    finished(spawnMillrace(['run', 'p.yaml', '--out', 'out', '--resume', ...common, ...more], cwd, env))
  t.equal((await again(dying(8, 'out', 6))).code, null, 'killed after one')
  t.strictSame(await again(), { code: 0, stdout: '', stderr: '' })
  t.equal(JSON.parse(readFileSync(join(cwd, 'out/run.json'), 'utf8')).resumedAt, 6)
  const { stdout, code } = await again({}, '--json')
  t.strictSame(
    [code, JSON.parse(stdout)],
    [0, { directory: 'out', changed: false, message: 'out is done; nothing was changed' }],
  )
})
