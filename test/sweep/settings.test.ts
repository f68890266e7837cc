import t from 'tap'
import { parseSource } from '../../dist/pipeline/definition/source.js'
import { entriesOf, plain } from '../../dist/pipeline/definition/value.js'
import {
  checkCount,
  nameOf,
  type Setting,
  type SweepFlags,
  seedsOf,
  settingsOf,
  sweepBlock,
} from '../../dist/sweep/settings.js'

function blockOf(yaml: string, flags: SweepFlags = {}) {
  return sweepBlock(
    yaml === '' ? undefined : entriesOf(parseSource(`sweep:\n${yaml}`, 'a.yaml')).get('sweep')!.value,
    flags,
  )
}

const dataOf = (setting: Setting) => Object.fromEntries(setting.map((each) => [nameOf(each), plain(each.value)]))
const settings = (yaml: string, flags?: SweepFlags) => settingsOf(blockOf(yaml, flags)).map(dataOf)

t.test('a grid is every combination, the last name changes fastest', async (t) => {
  t.strictSame(settings('  grid: { eta: [1, 2], model.lambda: [0, 0.1] }'), [
    { eta: 1, 'model.lambda': 0 },
    { eta: 1, 'model.lambda': 0.1 },
    { eta: 2, 'model.lambda': 0 },
    { eta: 2, 'model.lambda': 0.1 },
  ])
})

t.test('grid, list and draws add up; what is there twice counts once', async (t) => {
  const yaml = `
  grid: { eta: [1, 2] }
  list: [{ eta: 2 }, { eta: 3, lambda: 1 }]
  random: { n: 3, over: { eta: { choice: [9] } } }`
  t.strictSame(settings(yaml), [{ eta: 1 }, { eta: 2 }, { eta: 3, lambda: 1 }, { eta: 9 }])
})

t.test('the command line wins over the same names of the block and keeps the others', async (t) => {
  const yaml = '  grid: { eta: [1, 2], lambda: [0, 1] }'
  t.strictSame(settings(yaml, { grid: ['eta=5'] }), [
    { eta: 5, lambda: 0 },
    { eta: 5, lambda: 1 },
  ])
  t.strictSame(settings('', { grid: ['eta=5,{ start: 1 }', 'shuffle=rows'] }), [
    { eta: 5, shuffle: 'rows' },
    { eta: { start: 1 }, shuffle: 'rows' },
  ])
})

t.test(
  'draws lie within their bounds, are the same each time, and a longer series begins with the shorter one',
  async (t) => {
    const over =
      '{ a: { uniform: [2, 3] }, b: { logUniform: [1e-4, 1] }, c: { integer: [1, 3] }, d: { choice: [x, y] } }'
    const draws = (n: number, seed = 0) => settings(`  random: { n: ${n}, seed: ${seed}, over: ${over} }`)
    const all = draws(200) as { a: number; b: number; c: number; d: string }[]
    t.equal(all.length, 200)
    t.ok(all.every(({ a }) => a >= 2 && a <= 3))
    t.ok(all.every(({ b }) => b >= 1e-4 && b <= 1))
    const small = all.filter(({ b }) => b < 1e-2).length
    t.ok(small > 70 && small < 130, `${small} of 200 lie in the lower two of four orders of magnitude`)
    t.strictSame([...new Set(all.map(({ c }) => c))].sort(), [1, 2, 3])
    t.strictSame([...new Set(all.map(({ d }) => d))].sort(), ['x', 'y'])
    t.ok(
      all.every(({ a }) => String(a).length <= 7),
      'six digits are enough',
    )
    t.strictSame(draws(5), all.slice(0, 5))
    t.notSame(draws(5, 1), all.slice(0, 5))
  },
)

t.test('seeds: those of the block, so many from the own one on, or the own one', async (t) => {
  const grid = '  grid: { eta: [1] }\n'
  t.strictSame(seedsOf(blockOf(`${grid}  repeat: { seeds: [400, 402, 400] }`), 7), [400, 402])
  t.strictSame(seedsOf(blockOf(`${grid}  repeat: { seeds: 3 }`), 7), [7, 8, 9])
  t.strictSame(seedsOf(blockOf(grid), 7), [7])
  t.strictSame(seedsOf(blockOf(`${grid}  repeat: { seeds: 3 }`, { seeds: '1,2' }), 7), [1, 2])
  t.strictSame(settings('  repeat: { seeds: 3 }'), [{}], 'seeds alone repeat the pipeline as it is')
})

t.test('mistakes are told with their places, all at once', async (t) => {
  const yaml = [
    '  grid: { eta: [], seed: [1] }',
    '  random: { n: 0, over: { a: { uniform: [3, 2] }, b: { logUniform: [0, 1] }, c: { integer: 3 }, d: {} } }',
    '  list: [{}]',
    '  repeat: { seeds: -1 }',
    '  gird: 1',
  ].join('\n')
  t.throws(() => blockOf(yaml), {
    code: 'DEFINITION',
    message: [
      'a.yaml:2:16  sweep.grid.eta: expected a non-empty list of values, got []',
      'a.yaml:3:16  sweep.random.n: expected a positive integer, got 0',
      'a.yaml:3:41  sweep.random.over.a.uniform: expected two numbers, the smaller one first, got [3,2]',
      'a.yaml:3:68  sweep.random.over.b.logUniform: expected two positive numbers, the smaller one first, got [0,1]',
      'a.yaml:3:92  sweep.random.over.c.integer: expected a list of integers, got 3',
      'a.yaml:3:100  sweep.random.over.d: expected one of uniform, logUniform, integer and choice, got {}',
      'a.yaml:4:10  sweep.list[0]: expected a setting: name: value, got {}',
      'a.yaml:5:20  sweep.repeat.seeds: expected a positive integer or a non-empty list of non-negative integers, got -1',
      'a.yaml:6:3  sweep: unknown key "gird"; did you mean "grid"?',
    ].join('\n'),
  })
  t.throws(() => blockOf('  grid: { eta: [1], seed: [1] }'), {
    message:
      'a.yaml:2:21  seed: is no setting; give the seeds under repeat: { seeds: [400, 401] }, or as --seeds 400,401',
  })
  t.throws(() => blockOf('', { grid: ['eta', 'a=[1'] }), {
    code: 'ARGUMENTS',
    message: /^--grid eta {2}expected name=value or stage.option=value\n--grid a=\[1 {2}the value is malformed YAML: /,
  })
  t.throws(() => settingsOf(blockOf('')), {
    code: 'ARGUMENTS',
    message: 'there is nothing to sweep: give settings in a block "sweep:" of the pipeline, or --grid eta=0.01,0.1',
  })
  t.throws(() => settings('', { grid: Array.from({ length: 6 }, (_, i) => `v${i}=${'1,'.repeat(10)}`) }), {
    message: /sweep.grid: it has 1000000 cells, expected at most 100000$/,
  })
})

t.test('seeds that cannot be exact, and too many of them, are refused', (t) => {
  t.throws(() => blockOf('', { seeds: '9007199254740993,1' }), {
    message:
      /^--seeds 9007199254740993,1 {2}sweep.repeat.seeds\[0\]: .*, got 9007199254740993; whole numbers are exact up to 9007199254740991/,
  })
  t.throws(() => seedsOf(blockOf('', { seeds: '3' }), 9007199254740990), {
    message:
      /expected at most 2 seeds, got 3; they are counted up from 9007199254740990, and the largest seed is 9007199254740991/,
  })
  t.strictSame(seedsOf(blockOf('', { seeds: '2' }), 9007199254740990), [9007199254740990, 9007199254740991])
  t.throws(() => seedsOf(blockOf('', { seeds: '1000000000' }), 0), { message: /at most 100000 seeds, got 1000000000$/ })
  t.throws(() => checkCount(1000, 1000), {
    message: /at most 100000 points, got 1000000: 1000 settings with 1000 runs each/,
  })
  t.end()
})
