import t from 'tap'
import { parse } from 'yaml'
import { millrace } from './in-process.js'
import { millrace as inOwnProcess } from './millrace.js'

const files = {
  'base.yaml': [
    'vars: { epochs: 2, folder: "${FOLDER:-data}" }',
    'stages:',
    '  - use: load/cifar10',
    '    with: { directory: "${folder}" }',
    '  - use: batch/rows',
    '    with: { size: 5, epochs: "${epochs}" }',
  ].join('\n'),
  'x.yaml': 'extends: base.yaml\nvars: { epochs: 3 }\n',
}

t.test('config shows every value with its origin', async (t) => {
  const { code, stdout } = await millrace(['config', 'x.yaml', '--set', 'rows.size=7'], t.testdir(files))
  t.equal(code, 0)
  for (const line of [
    'directory: data # base.yaml:1:28',
    'size: 7 # --set rows.size=7',
    'epochs: 3 # x.yaml:2:17',
    'dropLast: false # default',
    'seed: 0 # default',
  ])
    t.match(stdout, line)
  t.equal(parse(stdout).stages[1].with.size, 7)
})

t.test('config names the environment variable a value came from', async (t) => {
  const { stdout } = await inOwnProcess(['config', 'x.yaml'], t.testdir(files), { FOLDER: 'elsewhere' })
  t.match(stdout, 'directory: elsewhere # base.yaml:1:28 ($FOLDER)')
})

t.test('config --json lists path, value and origin', async (t) => {
  const { stdout } = await millrace(['config', 'x.yaml', '--json', '--seed', '5'], t.testdir(files))
  const settings = JSON.parse(stdout) as { path: string; value: unknown; origin: string }[]
  t.same(settings[0], { path: 'seed', value: 5, origin: '--seed 5' })
  t.same(
    settings.find(({ path }) => path === 'rows.epochs'),
    { path: 'rows.epochs', value: 3, origin: 'x.yaml:2:17' },
  )
  t.same(
    settings.find(({ path }) => path === 'cifar10.train.0'),
    { path: 'cifar10.train.0', value: 'data_batch_1.bin', origin: 'default' },
  )
})
