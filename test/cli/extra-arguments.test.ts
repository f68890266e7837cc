import t from 'tap'
import { millrace } from './in-process.js'

t.test('a value without its option is refused, with the option to repeat', async (t) => {
  const cwd = t.testdir()
  for (const [args, stray] of [
    [['sweep', 'digits', '--grid', 'eta=1,2', 'lambda=0'], '--grid lambda=0'],
    [['sweep', '--grid', 'eta=1', 'lambda=0', 'digits'], '--grid lambda=0'],
    [['run', 'digits', '--set=eta=1', 'lambda=0', 'epochs=3'], '--set lambda=0'],
    [['validate', 'digits', 'eta=1'], '--set eta=1'],
  ] as const)
    t.match(await millrace(args, cwd), {
      code: 2,
      stderr: `error: ${stray.split(' ')[1]} belongs to no option; repeat ${stray.split(' ')[0]} for each name: ${stray}\n`,
    })
})

t.test('an argument too many is refused, and a file may have a name with "="', async (t) => {
  const cwd = t.testdir({ 'a=1.yaml': 'extends: digits\n' })
  t.match(await millrace(['run', 'a', 'b'], cwd), { code: 2, stderr: 'error: expected 1 argument, got 2: a b\n' })
  t.match(await millrace(['validate', 'a=1.yaml'], cwd), { code: 0, stdout: /sound/ })
})

t.test('the suggested option is one that works', async (t) => {
  const cwd = t.testdir()
  for (const [command, flag, name, value] of [
    ['validate', '--set', 'size', '8'],
    ['validate', '--set', 'dropLast', 'true'],
    ['sweep', '--grid', 'spli', 'train'],
  ] as const) {
    const { code, stderr } = await millrace([command, 'digits', flag, `${name}=${value}`], cwd)
    t.equal(code, 2)
    const meant = /did you mean "([\w.]+)"/.exec(stderr)![1]!
    t.match((await millrace(['validate', 'digits', '--set', `${meant}=${value}`], cwd)).stdout, /sound/, meant)
  }
})
