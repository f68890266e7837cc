import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { millrace, userEnvironment } from '../cli/millrace.js'

const example = (name: string) => fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))

t.test('the example in code runs and prints what its comments promise', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [example('in-code.js')], {
    cwd: t.testdir(),
    env: userEnvironment(),
  })
  t.match(stdout, /^built in code: 10 evaluations\nW is 10 x 64/)
  t.match(stdout, /\nepoch 10: test accuracy \d\d\.\d %\n/)
  t.match(stdout, /\n {4}use: shuffle\/batches\n/)
  t.notMatch(stdout, /noise|terminal/, 'the YAML at the end has neither the removed stages nor the one without a name')
})

t.test('the example with a stage file runs', async (t) => {
  const { code, stdout } = await millrace(['run', example('noise.yaml'), '--set', 'epochs=2'], t.testdir())
  t.equal(code, 0)
  t.match(stdout, /\nfiles in runs\/noise-001/)
})
