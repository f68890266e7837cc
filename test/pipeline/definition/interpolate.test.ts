import t from 'tap'
import type { Problem } from '../../../dist/pipeline/base/errors.js'
import { createInterpolator, withVars } from '../../../dist/pipeline/definition/interpolate.js'
import { parseSource } from '../../../dist/pipeline/definition/source.js'
import { entriesOf, formatOrigin, locate, plain } from '../../../dist/pipeline/definition/value.js'

/** Interpolates the YAML `text` with these vars and environment. */
function interpolated(text: string, vars = '{}', environment: Record<string, string> = {}) {
  const problems: Problem[] = []
  const source = parseSource(`vars: ${vars}\nvalue: ${text}\n`, '/folder/p.yaml')
  const declared = entriesOf(locate(source, ['vars']))
  const { interpolate, resolvedVars } = createInterpolator(declared, environment, problems)
  const value = interpolate(locate(source, ['value']))
  return { value, data: plain(value), problems: problems.map(({ message }) => message), resolvedVars }
}

t.test('a string that is a single reference becomes the value, of any type', async (t) => {
  for (const [text, vars, environment, data] of [
    ['"${a}"', '{ a: 1 }', {}, 1],
    ['"${a}"', '{ a: "1" }', {}, '1'],
    ['"${a}"', '{ a: null }', {}, null],
    ['"${a}"', '{ a: [1, { b: 2 }] }', {}, [1, { b: 2 }]],
    ['"${a-b_1}"', '{ a-b_1: x }', {}, 'x'],
    ['"${a}"', '{ a: "${b}", b: "${c}", c: true }', {}, true],
    ['{ x: ["${a}"] }', '{ a: 1 }', {}, { x: [1] }],
    ['"${A}"', '{}', { A: '2.5' }, '2.5'],
    ['"${A}"', '{}', { A: 'false' }, 'false'],
    ['"${A}"', '{}', { A: 'text: [with YAML]' }, 'text: [with YAML]'],
    ['"${A}"', '{}', { A: '[1, 2]' }, '[1, 2]'],
    ['"${A}"', '{}', { A: '' }, ''],
    ['"${A}"', '{}', { A: '${a}' }, '${a}'],
    ['"${A:-3}"', '{}', {}, '3'],
    ['"${A:-*.csv}"', '{}', {}, '*.csv'],
    ['"${A:-data/x y}"', '{}', {}, 'data/x y'],
    ['"${A:-}"', '{}', {}, ''],
    ['"${A:-3}"', '{}', { A: '4' }, '4'],
    ['"${A:-3}"', '{ A: 5 }', { A: '4' }, 5],
    ['"${here}"', '{}', {}, '/folder'],
  ] as const) {
    const { data: found, problems } = interpolated(text, vars, environment)
    t.strictSame(found, data, `${text} with ${vars} and ${JSON.stringify(environment)}`)
    t.strictSame(problems, [])
  }
})

t.test('inside longer text a reference becomes text', async (t) => {
  for (const [text, data] of [
    ['"${a}-${b}/${a}"', '1-true/1'],
    ['" ${a}"', ' 1'],
    ['"${here}/x"', '/folder/x'],
    ['"${N:-0}0"', '00'],
    ['"${N:-007}/x"', '007/x'],
    ['"${v}/${f}/${h}/${y}"', '1.10/61e9540/0x1F/True'],
  ] as const)
    t.strictSame(interpolated(text, '{ a: 1, b: true, v: 1.10, f: 61e9540, h: 0x1F, y: True }').data, data, text)
})

t.test('"$${" is a literal "${", and other dollars are kept', async (t) => {
  for (const [text, data] of [
    ['"$${a}"', '${a}'],
    ['"$${a} ${a}"', '${a} 1'],
    ['"$$${a}"', '$${a}'],
    ['"$a $ {a} $"', '$a $ {a} $'],
    ['"cost $5"', 'cost $5'],
  ] as const)
    t.strictSame(interpolated(text, '{ a: 1 }').data, data, text)
})

t.test('the result of a reference is not searched for references', async (t) => {
  t.equal(interpolated('"${a}"', '{ a: "$${b}" }').data, '${b}')
})

t.test('the origin of a value is the var, or the environment variable and its reference', async (t) => {
  t.equal(formatOrigin(interpolated('"${a}"', '{ a: 1 }').value.origin), '/folder/p.yaml:1:12')
  t.equal(formatOrigin(interpolated('"${A}"', '{}', { A: '1' }).value.origin), '/folder/p.yaml:2:8 ($A)')
  t.equal(formatOrigin(interpolated('"${A:-1}"').value.origin), '/folder/p.yaml:2:8')
})

t.test('names of members of JavaScript objects are neither vars nor environment variables', async (t) => {
  t.match(interpolated('"${valueOf}"', '{}', Object.create(null)).problems, [
    /^"\$\{valueOf\}" names neither a var nor an environment variable/,
  ])
})

t.test('each unknown reference is one problem, and the others are still resolved', async (t) => {
  const { data, problems } = interpolated('{ a: "${x}", b: "1${y}${z}", c: "${v}" }', '{ v: 1 }')
  t.equal(problems.length, 3)
  t.strictSame(data, { a: null, b: null, c: 1 })
})

t.test('resolvedVars returns all vars, resolved, and reports each problem once', async (t) => {
  const { resolvedVars, problems } = interpolated('"${a}"', '{ a: "${b}", b: 2, c: "${nope}" }')
  t.strictSame(
    [...resolvedVars()].map(([name, value]) => [name, plain(value)]),
    [
      ['a', 2],
      ['b', 2],
      ['c', null],
    ],
  )
  t.strictSame(problems, [], 'taken before the vars were looked at')
})

t.test('a value from a single reference remembers its var; text, environment and defaults do not', async (t) => {
  const vars = '{ a: "${b}", b: 1, c: ["${b}"] }'
  for (const [text, reference] of [
    ['"${b}"', 'b'],
    ['"${a}"', 'a'],
    ['"${c}"', 'c'],
    ['"${b:-3}"', 'b'],
    ['"x${b}"', undefined],
    ['"${E}"', undefined],
    ['"${F:-3}"', undefined],
    ['"${here}"', undefined],
    ['3', undefined],
  ] as const)
    t.equal(interpolated(text, vars, { E: 'e' }).value.reference, reference, text)
  const { resolvedVars } = interpolated('1', vars)
  t.equal(resolvedVars().get('a')!.reference, 'b')
  t.equal(locate(resolvedVars().get('c')!, [0]).reference, 'b')
})

t.test('withVars replaces references in plain data, from the vars alone', (t) => {
  t.strictSame(withVars({ x: ['${a}', 'y${a}'], z: '$${a}', p: '${PATH}' }, { a: 1 }), {
    x: [1, 'y1'],
    z: '${a}',
    p: null,
  })
  t.end()
})

/** A chain of vars. `of` makes the value of each from a reference to the one before. */
const tower = (levels: number, first: string, of: (above: string) => string): string =>
  `{ ${Array.from({ length: levels }, (_, i) => `v${i}: ${i === 0 ? first : of(`\${v${i - 1}}`)}`).join(', ')} }`

t.test('vars that double with every level are refused before they fill memory', async (t) => {
  for (const [first, of] of [
    ['xxxxxxxx', (above: string) => `"${above}${above}"`],
    ['[x, y]', (above: string) => `["${above}", "${above}"]`],
  ] as const) {
    const { problems } = interpolated('"${v39}"', tower(40, first, of))
    t.match(problems, [/^with its references filled in, the definition is too large: "\$\{v\d+\}"$/])
    t.equal(problems.length, 1)
    t.strictSame(interpolated('"${v9}"', tower(10, first, of)).problems, [], 'ten levels are no harm')
  }
})

t.test('text of the environment that would fill memory is refused, too', async (t) => {
  const text = '${BIG}'.repeat(1000)
  t.match(interpolated(`"${text}"`, '{}', { BIG: 'x'.repeat(10_000) }).problems, [/too large: "\$\{BIG\}"$/])
  t.equal(String(interpolated(`"${text}"`, '{}', { BIG: 'x'.repeat(1000) }).data).length, 1e6)
})

t.test('vars that refer to each other very deep are reported, without a stack overflow', async (t) => {
  const { problems } = interpolated(
    '"${v4999}"',
    tower(5000, 'x', (above) => `"${above}"`),
  )
  t.match(problems[0], /^vars refer to each other more than 100 deep: v4999 → v4998 → …$/)
})
