import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { parse } from 'yaml'
import { Pipeline } from '../../dist/index.js'
import { absurdNumbers, absurdPaths, data, mutated, prototypeKeys, text } from './mutations.js'
import { outcomeOf } from './outcome.js'

const configs = new URL('../../configs/', import.meta.url)
const shipped = ['digits.yaml', 'csv.yaml', 'cifar10/base.yaml', 'cifar10/follow-up-1.yaml'].map((name) =>
  readFileSync(new URL(name, configs)),
)

const patched = `extends: digits
vars: &vars { epochs: 2, <<: { eta: 1 } }
x-notes: *vars
patch:
  - set: model
    with: { lambda: 0.1 }
  - replace: shuffle
    use: shuffle/batches
  - insertAfter: metrics
    use: sink/jsonl
  - remove: terminal
`

/** A line that is repeated so often that reporting its mistakes takes long. */
const many = (count, line) => Array.from({ length: count }, (_, i) => line(i)).join('')

const tokens = [
  ...prototypeKeys,
  ...absurdPaths,
  ...absurdNumbers.map(String),
  '<<: *vars',
  '&a ',
  '*a',
  '*vars',
  '!!js/function "x"',
  '!!binary "AA=="',
  '!!set',
  '!x ',
  '? ',
  '- ',
  '{',
  '}',
  '[',
  ']',
  '"',
  "'",
  '|',
  '>',
  '#',
  ': ',
  ':',
  '\t',
  '\n',
  '\n  ',
  '\r',
  '\0',
  '\u2028',
  '\ufeff',
  '%YAML 1.2\n---\n',
  '---\n',
  '...\n',
  '~',
  '.inf',
  '.nan',
  '0o17',
  '0x1F',
  '2026-01-01',
  '${',
  '${HOME}',
  '${x:-y}',
  '$${',
  '${epochs}',
  '${here}',
  'extends: pipeline.yaml\n',
  'extends: /dev/zero\n',
  'use: ./x.js',
  'stages: []\n',
  'from: metrics',
  'id: model',
  'with: {}',
  'vars: { a: "${b}", b: "${a}" }\n',
  'published: {}\n',
  'checkpoint: { every: 9e15 steps }\n',
] // prettier-ignore

const keys = [
  'stages',
  'use',
  'with',
  'from',
  'id',
  'vars',
  'name',
  'seed',
  'extends',
  'patch',
  'set',
  'replace',
  'insertAfter',
  'remove',
  'published',
  'checkpoint',
  'description',
  'path',
  'size',
  'epochs',
  'eta',
  'splits',
  'fit',
  'x-y',
  ...prototypeKeys,
] // prettier-ignore
const values = fc.oneof(
  data,
  fc.constantFrom(
    'load/digits',
    'batch/rows',
    'gradient-step/softmax',
    'sink/csv',
    'model',
    'examples',
    './x.js',
    '@x/y',
    'digits',
    '${a}',
    '..',
  ),
)

const edit = fc.record({
  steps: fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }),
  kind: fc.constantFrom('set', 'set', 'remove', 'rename', 'add'),
  key: fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...keys) }, { weight: 1, arbitrary: text }),
  value: values,
})

/** A definition with up to four changes: parts replaced, removed, renamed or added. */
const structured = fc
  .tuple(fc.constantFrom(...shipped.slice(0, 2), Buffer.from(patched)), fc.array(edit, { minLength: 1, maxLength: 4 }))
  .map(([base, edits]) => {
    const definition = parse(String(base), { merge: true })
    for (const each of edits) change(definition, each)
    return JSON.stringify(definition)
  })

/** Follows `steps` into the definition as far as possible, and changes the part they lead to. */
function change(definition, { steps, kind, key, value }) {
  let at = definition
  let name = ''
  for (const step of steps) {
    const names = Object.keys(at)
    if (names.length === 0) break
    name = names[step % names.length]
    const next = at[name]
    if (next === null || typeof next !== 'object' || step === steps.at(-1)) break
    at = next
  }
  const put = (property, content) =>
    Object.defineProperty(at, property, { value: content, enumerable: true, configurable: true, writable: true })
  const old = at[name]
  if (kind === 'remove' || kind === 'rename') delete at[name]
  if (kind === 'set') put(name, value)
  else if (Array.isArray(at)) at.push(value)
  else if (kind !== 'remove') put(key, kind === 'rename' ? old : value)
}

/** Nesting as deep, and aliases and references as many, as fit into a file. */
const bombs = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('[', '{ a: ', '- ', '? ', '"', '&a [', '!!seq [', 'a: \n '),
      fc.constantFrom(10, 64, 100, 1000, 10_000, 100_000),
    )
    .map(([token, count]) => `stages: ${token.repeat(count)}`),
  fc.tuple(fc.integer({ min: 2, max: 40 }), fc.integer({ min: 2, max: 20 })).map(([depth, width]) => {
    const levels = Array.from(
      { length: depth },
      (_, i) =>
        `  v${i}: &v${i} [${Array(width)
          .fill(i === 0 ? 'x' : `*v${i - 1}`)
          .join(', ')}]`,
    )
    return `vars:\n${levels.join('\n')}\nstages:\n  - use: load/digits\n`
  }),
  fc.integer({ min: 2, max: 60 }).map((depth) => {
    const levels = Array.from(
      { length: depth },
      (_, i) => `  v${i}: "${i === 0 ? 'xxxxxxxx' : `\${v${i - 1}}\${v${i - 1}}`}"`,
    )
    return `vars:\n${levels.join('\n')}\nstages:\n  - use: load/digits\n`
  }),
  fc.constantFrom(1000, 20_000).map((count) => `stages:\n${'  - use: load/digits\n'.repeat(count)}`),
  fc
    .constantFrom(1000, 20_000)
    .map(
      (count) =>
        `vars: { ${Array.from({ length: count }, (_, i) => `a${i}: "\${a${i + 1}}"`).join(', ')} }\nstages: []\n`,
    ),
  fc
    .constantFrom(1000, 30_000)
    .map((count) => `x-a: &x 1\nvars: { b: [${Array(count).fill('*x').join()}] }\nstages: []\n`),
  fc.constantFrom(100, 10_000).map((count) => `vars:\n${many(count, (i) => `  abc${i}: "\${abd${i}}"\n`)}stages: []\n`),
  fc.constantFrom(100, 5_000).map((count) => `extends: digits\npatch:\n${many(count, (i) => `  - remove: abd${i}\n`)}`),
  fc
    .constantFrom(100, 5_000)
    .map((count) => `stages:\n${many(count, (i) => `  - { use: x${i}, id: abc${i}, from: abd${i} }\n`)}`),
  fc
    .constantFrom(100, 5_000)
    .map((count) => `extends: digits\npatch:\n  - set: model\n    with:\n${many(count, (i) => `      abd${i}: 1\n`)}`),
  fc
    .integer({ min: 2, max: 40 })
    .map(
      (depth) =>
        `vars:\n${many(depth, (i) => `  v${i}: ${i === 0 ? '[x, y]' : `["\${v${i - 1}}", "\${v${i - 1}}"]`}\n`)}stages: []\n`,
    ),
  fc.constantFrom(1000, 50_000).map((count) => `? ${'x'.repeat(count)}\n: y\n`),
)

async function load(bytes, folder) {
  const file = join(folder, 'pipeline.yaml')
  writeFileSync(file, bytes)
  return outcomeOf(
    () => Pipeline.load(file, { environment: { HOME: '/home' } }),
    ['DEFINITION'],
    /pipeline\.yaml|digits/,
  )
}

/** The readers of definitions. */
export const definitions = [
  { name: 'definition, mutated', weight: 20, inputs: mutated([...shipped, Buffer.from(patched)], tokens), check: load },
  { name: 'definition, structured', weight: 20, inputs: structured, check: load },
  { name: 'definition, bombs', weight: 0.3, inputs: bombs, check: load },
]
