import t from 'tap'
import type { Problem } from '../../../dist/pipeline/base/errors.js'
import type { StageEntry } from '../../../dist/pipeline/definition/entries.js'
import { applyOverride, parseOverrides } from '../../../dist/pipeline/definition/overrides.js'
import { formatOrigin, type Origin, plain, valueFrom } from '../../../dist/pipeline/definition/value.js'

t.test(
  'parseOverrides reads a var or an option by its path, with text as it is, and numbers, lists and mappings in YAML',
  async (t) => {
    for (const [text, name, path, value] of [
      ['eta=0.1', 'eta', [], 0.1],
      ['eta=1e-3', 'eta', [], 0.001],
      ['on=true', 'on', [], true],
      ['path=a b/c.csv', 'path', [], 'a b/c.csv'],
      ['path="1"', 'path', [], '1'],
      ['equation=a=b', 'equation', [], 'a=b'],
      ['empty=', 'empty', [], null],
      ['model.init.normal=0.5', 'model', ['init', 'normal'], 0.5],
      ['model.eta={ start: 1, factor: 0.5, every: 2 }', 'model', ['eta'], { start: 1, factor: 0.5, every: 2 }],
      ['m.splits=[train, test]', 'm', ['splits'], ['train', 'test']],
      ['text=two\nlines', 'text', [], 'two\nlines'],
      ['text=*.csv', 'text', [], '*.csv'],
      ['text=&a b', 'text', [], '&a b'],
      ['text=a: b', 'text', [], 'a: b'],
      ['text=- a', 'text', [], '- a'],
      ['text=a #b', 'text', [], 'a #b'],
      ['text=5 # five', 'text', [], '5 # five'],
      ['text=!!str 5', 'text', [], '!!str 5'],
      ['text=| a', 'text', [], '| a'],
      ["text='a #b'", 'text', [], 'a #b'],
      ['list=[*.csv, 007, "007", a b]', 'list', [], ['*.csv', 7, '007', 'a b']],
    ] as const) {
      const [found, ...others] = parseOverrides([text])
      t.strictSame([found!.name, found!.path, plain(found!.value)], [name, path, value], text)
      t.equal(formatOrigin(found!.value.origin), `--set ${text}`)
      t.strictSame(others, [])
    }
  },
)

t.test('parseOverrides refuses a text that is not an assignment', async (t) => {
  for (const text of ['', 'eta', '=1', '.a=1', 'a..b=1', 'a.=1', '1a=1', 'a b=1'])
    t.throws(() => parseOverrides([text]), {
      code: 'ARGUMENTS',
      message: `--set ${text}  expected name=value or stage.option=value`,
    })
})

const code: Origin = { kind: 'code' }
const entry: StageEntry = {
  id: 'model',
  use: 'a/b',
  with: valueFrom({ eta: 1, init: { normal: 1 } }, code),
  from: undefined,
  origin: code,
  idOrigin: code,
  useOrigin: code,
  folder: '/elsewhere',
}

t.test('applyOverride sets one option and leaves the others', async (t) => {
  const problems: Problem[] = []
  const changed = applyOverride(entry, ['init', 'normal'], valueFrom(2, code), '', problems)
  t.strictSame(plain(changed.with), { eta: 1, init: { normal: 2 } })
  t.strictSame(plain(entry.with), { eta: 1, init: { normal: 1 } })
  t.strictSame(problems, [])
})

t.test('applyOverride of "use" sets another stage; "./" is then the current folder', async (t) => {
  const changed = applyOverride(entry, ['use'], valueFrom('./mine.js', code), '', [])
  t.match(changed, { id: 'model', use: './mine.js', folder: process.cwd(), with: entry.with })
})

t.test('applyOverride of "use" by anything but a name is a problem', async (t) => {
  for (const [path, value] of [
    [['use'], 3],
    [['use', 'x'], 'a/b'],
  ] as const) {
    const problems: Problem[] = []
    t.equal(applyOverride(entry, path, valueFrom(value, code), '--set x', problems), entry)
    t.strictSame(problems, [{ where: '--set x', message: 'expected the name of a stage' }])
  }
})
