import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { differingFiles } from '../../dist/report/compared-files.js'
import { checkFigures } from '../docs/figures.js'
import { common } from '../pipeline/run/keeping.js'
import { dying, folder } from '../pipeline/run/mortal.js'
import { finished, millrace, spawnMillrace } from './millrace.js'

let killsAroundCheckpoints = 0
let killsInARow = 0

/** 30 rows train, 8 a batch: 4 steps an epoch, 16 in all; checkpoints at 3, 6, 9, 12 and 15. */
t.test('killed at every step around every checkpoint, a run is resumed to the same bytes', async (t) => {
  const cwd = folder(t)
  t.same(await millrace(['run', 'p.yaml', '--out', 'whole', ...common], cwd), { code: 0, stdout: '', stderr: '' })
  for (const [step, after] of [[2], [3], [4, 3], [5, 3], [6, 3], [7, 6], [12, 9], [13, 12], [16, 15]] as const) {
    const out = `killed-${step}`
    const killed = await millrace(['run', 'p.yaml', '--out', out, ...common], cwd, dying(step, out, after))
    t.equal(killed.code, null, `killed at step ${step}`)
    killsAroundCheckpoints++
    t.same(await millrace(['resume', out, ...common], cwd), { code: 0, stdout: '', stderr: '' })
    t.equal(JSON.parse(readFileSync(join(cwd, out, 'run.json'), 'utf8')).resumedAt, after, 'from its checkpoint')
    t.strictSame(differingFiles(join(cwd, 'whole'), join(cwd, out)), [], `killed at step ${step}`)
  }
})

t.test('a run that is killed several times is resumed to the same bytes, with and without a shuffle', async (t) => {
  const cwd = folder(t)
  for (const shuffle of ['batches', 'none']) {
    const args = ['run', 'p.yaml', '--set', `shuffle=${shuffle}`, ...common]
    await millrace([...args, '--out', `whole-${shuffle}`], cwd)
    const out = `killed-${shuffle}`
    t.equal((await millrace([...args, '--out', out], cwd, dying(5, out, 3))).code, null)
    killsInARow++
    for (const [step, after] of [
      [5, 3],
      [8, 6],
      [16, 15],
    ] as const) {
      t.equal((await millrace(['resume', out, ...common], cwd, dying(step, out, after))).code, null)
      killsInARow++
    }
    t.equal((await millrace(['resume', out, ...common], cwd)).code, 0)
    t.strictSame(differingFiles(join(cwd, `whole-${shuffle}`), join(cwd, out)), [])
  }
})

t.test('the documentation has the number of kills', async (t) => {
  checkFigures(t, 'test/cli/resume.test.ts', [killsAroundCheckpoints, killsInARow])
})

t.test('two processes do not write into one run', async (t) => {
  const cwd = folder(t)
  const child = spawnMillrace(['run', 'digits', '--out', 'a', '--set', 'epochs=100000', '--kernel', 'reference'], cwd)
  t.teardown(() => child.kill('SIGKILL'))
  await new Promise((resolve) => child.stdout!.once('data', resolve))
  const second = await millrace(['resume', 'a'], cwd)
  t.equal(second.code, 2)
  t.match(second.stderr, new RegExp(`^process ${child.pid} is writing in a; wait for its end\n`))
  t.equal((await millrace(['run', 'digits', '--out', 'a', '--force'], cwd)).code, 2)
  child.kill('SIGTERM')
  t.equal((await finished(child)).code, 143)
  t.notOk(existsSync(join(cwd, 'a/lock')))
})
