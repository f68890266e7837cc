import { spawnSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'tap'
import { candidates } from '../../dist/cli/complete.js'
import { completionScript } from '../../dist/cli/completion.js'
import { makeProgram } from '../../dist/cli/program.js'
import { temporary } from '../stages/harness.js'
import { main } from './millrace.js'

const output = { write: () => {}, warn: () => {}, progress: () => {}, exit: () => {} } as never
const complete = (...words: string[]) => candidates(makeProgram(output), words)

test('commands, options, pipelines, stages, codes, choices and settings are completed', async (t) => {
  for (const [words, expected] of [
    [['val'], ['validate']],
    [['sweep', 'wo'], ['work']],
    [['comple'], ['completion']],
    [
      ['run', 'dig'],
      ['digits', 'digits-grid'],
    ],
    [['run', 'digits', '--ker'], ['--kernel']],
    [['run', 'digits', '--kernel', 'n'], ['native']],
    [
      ['run', 'digits', '--set', 'e'],
      ['epochs=', 'eta=', 'examples.fit='],
    ],
    [['run', 'digits', '--set', 'eta=1', '--set', 'model.e'], ['model.eta=']],
    [['run', 'no-such', '--set', 'e'], []],
    [['run', 'digits', '--out', 'x'], []],
    [
      ['stages', 'shuffle/'],
      ['shuffle/batches', 'shuffle/buffer', 'shuffle/none', 'shuffle/rows'],
    ],
    [['explain', 'DI'], ['DIVERGED']],
    [['create', 'load/digits,shuffle/r'], ['load/digits,shuffle/rows']],
    [['graph', 'digits', '--format', 'm'], ['mermaid']],
    [['completion', 'z'], ['zsh']],
    [['sweep', 'digits-'], ['digits-grid']],
    [['sweep', 'digits', '--fol'], ['--folds']],
    [['sweep', 'digits', '--over', 'model.lam'], ['model.lambda=']],
    [['sweep', 'digits', '--random', ''], []],
    [
      ['fetch', 'cifar'],
      ['cifar10', 'cifar100'],
    ],
    [['tap', 'digits', '--wire', 'mo'], ['model']],
    [['peek', 'digits', '--after', 'sh'], ['shuffle']],
    [
      ['predict', 'runs/x', '--load', 'load/par'],
      ['load/parameters', 'load/parquet'],
    ],
    [['nonsense', 'x'], []],
    [['$(touch x)'], []],
  ] as const)
    t.strictSame(
      (await complete(...words)).filter((word) => !word.startsWith('evaluat')),
      expected,
      words.join(' '),
    )
  t.ok((await complete('')).length > 10)
  t.notOk((await complete('')).includes('complete'), 'what shells alone call is hidden')
})

for (const shell of ['bash', 'zsh', 'fish'] as const)
  test(`${shell} reads its script`, async (t) => {
    const file = join(t.testdir({ script: completionScript(shell) }), 'script')
    const { error, status, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' })
    if (error) return t.skip(`needs ${shell}`)
    t.strictSame([status, stderr], [0, ''])
  })

test('bash completes with it', async (t) => {
  const folder = temporary(t)
  const command = join(folder, 'millrace')
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`)
  chmodSync(command, 0o755)
  const script = `${completionScript('bash')}\nCOMP_WORDS=(millrace run digits --set eta=1 --set model.e)\nCOMP_CWORD=6\n_millrace\nprintf '%s\\n' "\${COMPREPLY[@]}"\n`
  const env = { ...process.env, PATH: `${folder}${delimiter}${process.env.PATH}` }
  const { stdout, error } = spawnSync('bash', { input: script, encoding: 'utf8', env, cwd: folder })
  if (error) return t.skip('needs bash')
  t.equal(stdout, 'model.eta=\n')
})
