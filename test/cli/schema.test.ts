import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { type Test, test } from 'tap'
import { parse } from 'yaml'
import { schemaCommand } from '../../dist/cli/schema.js'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import { Editor } from './language-server.js'
import { printed } from './printed.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const shipped = ['configs', 'examples'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => join(root, folder, name)),
)
const isTests = (name: string) => name.endsWith('.test.yaml')
const text = await printed((output) => schemaCommand(undefined, { set: [] }, output))
const testsText = await printed((output) => schemaCommand(undefined, { set: [], tests: true }, output))

function validator(schema: string) {
  const ajv = new Ajv2020({ strictTypes: false, strictRequired: false })
  ajv.addKeyword('markdownDescription')
  return ajv.compile(JSON.parse(schema))
}

test('the schema that is shipped is fresh', async (t) => {
  const file = readFileSync(join(root, 'configs/pipeline.schema.json'), 'utf8')
  t.ok(file === text, 'configs/pipeline.schema.json is stale: npm run docs writes it again')
  const tests = readFileSync(join(root, 'configs/test.schema.json'), 'utf8')
  t.ok(tests === testsText, 'configs/test.schema.json is stale: npm run docs writes it again')
})

test('shipped pipelines name the schema, and are valid', async (t) => {
  const [ofPipelines, ofTests] = [validator(text), validator(testsText)]
  for (const file of shipped) {
    const isValid = isTests(file) ? ofTests : ofPipelines
    const content = readFileSync(file, 'utf8')
    const [, path] = /^# yaml-language-server: \$schema=(.*)$/m.exec(content) ?? []
    t.equal(
      path && join(dirname(file), path),
      join(root, `configs/${isTests(file) ? 'test' : 'pipeline'}.schema.json`),
      file,
    )
    t.ok(isValid(parse(content)), `${file}: ${JSON.stringify(isValid.errors?.slice(0, 3))}`)
  }
  for (const { name, example } of (await builtInStages()).values())
    t.ok(ofPipelines({ stages: parse(example) }), `${name}: ${JSON.stringify(ofPipelines.errors?.slice(0, 3))}`)
  t.notOk(ofTests({ pipeline: 'digits', tests: [{ name: 'x', expect: { cuont: 1 } }] }))
  t.notOk(ofPipelines({ extends: 'digits', tests: [{ name: 'x', expect: { rows: [{ a: { atLaest: 1 } }] } }] }))
  t.ok(ofPipelines({ extends: 'digits', tests: [{ name: 'x', expect: { rows: [{ a: [[1], { atLeast: 1 }] }] } }] }))
})

const rows = (options: object, more: object = {}) => ({ stages: [{ use: 'batch/rows', with: options, ...more }] })
const sound = { size: 5, epochs: 2 }

test('what else is valid', async (t) => {
  const isValid = validator(text)
  for (const definition of [
    rows({ size: '${size}', epochs: '${EPOCHS:-5}', dropLast: '${last}' }),
    rows(sound, { id: 'x', from: { examples: 'y' } }),
    { 'x-note': 1, stages: [{ use: './mine.js' }, { use: '@me/stages#x', with: { any: 1 } }, { use: '${shuffle}' }] },
    { extends: 'digits', vars: { eta: [1] }, patch: [{ set: 'a', with: { b: 1 } }, { remove: 'c' }] },
    {
      extends: 'digits',
      patch: [
        { insertAfter: 'a', use: 'shuffle/rows', id: 'b' },
        { replace: 'c', use: './d.js' },
      ],
    },
    { ...rows(sound), checkpoint: { every: '${n} steps' }, parallel: { engine: 'mpi', ranks: '${ranks}' }, seed: 5 },
  ])
    t.ok(isValid(definition), `${JSON.stringify(definition)}: ${JSON.stringify(isValid.errors?.slice(0, 3))}`)
})

test('planted mistakes are not valid', async (t) => {
  const isValid = validator(text)
  for (const definition of [
    {},
    { name: 5, ...rows(sound) },
    { nam: 'x', ...rows(sound) },
    { ...rows(sound), seed: -1 },
    { ...rows(sound), checkpoint: { every: 'sometimes' } },
    { ...rows(sound), parallel: { engine: 'tcp' } },
    { stages: [{ use: 'batch/row', with: sound }] },
    { stages: [{ use: 'batch/rows' }] },
    rows({ size: 5 }),
    rows({ ...sound, sise: 5 }),
    rows({ ...sound, size: 0 }),
    rows({ ...sound, size: 'x' }),
    rows({ ...sound, dropLast: 'yes' }),
    rows(sound, { wiht: {} }),
    { stages: [{ use: 'gradient-step/softmax', with: { eta: 1, onDivergence: 'go' } }] },
    { stages: [{ use: 'gradient-step/softmax', with: { eta: { cosine: { strat: 1 } } } }] },
    { extends: 'digits', patch: [{ replace: 'a', use: 'batch/rows', with: { size: 1 } }] },
    { extends: 'digits', patch: [{ replace: 'a', use: 'batch/rows', with: sound, id: 'b' }] },
    { extends: 'digits', patch: [{ rename: 'a' }] },
  ])
    t.notOk(isValid(definition), JSON.stringify(definition))
})

test('the stages of a pipeline of the user are in its schema', async (t) => {
  const isValid = validator(await ownSchema(t))
  const use = './noise.js'
  t.ok(isValid({ stages: [{ use, with: { amount: 0.1 } }] }))
  t.notOk(isValid({ stages: [{ use, with: { amuont: 0.1 } }] }))
  await t.rejects(schemaCommand('no-such', { set: [] }, silent), { code: 'DEFINITION', message: /no file and no/ })
  const trust = { set: [], plugins: false }
  await t.rejects(schemaCommand(join(root, 'examples/noise.yaml'), trust, silent), { message: /--no-plugins/ })
})

const silent = { write: () => {}, warn: () => {}, progress: () => {}, exit: () => {} } as never

/** The schema with the stage of `examples/noise.yaml`. */
function ownSchema(t: Test): Promise<string> {
  t.ok(shipped.includes(join(root, 'examples/noise.yaml')))
  return printed((output) => schemaCommand(join(root, 'examples/noise.yaml'), { set: [] }, output))
}

test('an editor completes, explains and checks', async (t) => {
  const editor = new Editor()
  t.teardown(() => editor.close())
  await editor.start()
  const folder = t.testdir({ 'schema.json': text, 'own.json': await ownSchema(t), 'tests.json': testsText })
  const top = '# yaml-language-server: $schema=./schema.json\nstages:\n'
  const complete = (entry: string) => editor.complete(folder, top + entry)

  const uses = await complete('  - use: |\n')
  t.strictSame([...uses].sort(), [...(await builtInStages()).keys()].sort(), 'every stage, and nothing else')
  t.strictSame(await complete('  - use: shuffle/ba|\n'), ['shuffle/batches'])
  const options = await complete('  - use: batch/rows\n    with:\n      s|\n')
  t.strictSame([...options].sort(), ['batch/rows', 'dropLast', 'epochs', 'size', 'split'], 'the options of that stage')
  t.strictSame(await complete('  - use: gradient-step/softmax\n    with:\n      onDivergence: |\n'), [
    'stop',
    'continue',
  ])
  const model = '  - use: gradient-step/softmax\n    with: { onDiver|gence: stop, eta: 1 }\n'
  t.match(await editor.hover(folder, top + model), /no longer a finite number[\s\S]*`stop`[\s\S]*`continue`/)
  t.match(
    await editor.hover(folder, `${top}  - use: batch/r|ows\n`),
    /Cuts a split[\s\S]*```yaml\n- use: batch\/rows\n/,
  )
  t.match(
    await editor.complete(
      folder,
      `# yaml-language-server: $schema=./own.json\nstages:\n  - use: ./noise.js\n    with: { a| }\n`,
    ),
    ['amount'],
    'an option of a stage of the user',
  )
  const inTest = '# yaml-language-server: $schema=./tests.json\npipeline: a\ntests:\n  - name: x\n    expect:\n      '
  t.ok((await editor.complete(folder, `${inTest}m|\n`)).includes('metrics'), 'a file of tests is completed, too')
  for (const [entry, message] of [
    ['- use: batch/rows\n  with: { sise: 1, size: 1, epochs: "${n}" }', 'Property sise is not allowed.'],
    ['- use: batch/rows\n  with: { size: x, epochs: 1 }', 'Incorrect type. Expected "integer".'],
    ['- use: batch/rows', 'Missing property "with".'],
    ['- use: shuffle/batches', undefined],
  ] as const)
    t.equal((await editor.open(folder, `${top}${entry}\n`)).diagnostics[0], message, entry)
  const example = join(root, 'examples/noise.yaml')
  const { diagnostics } = await editor.open(dirname(example), readFileSync(example, 'utf8'))
  t.strictSame(diagnostics, [], 'the line of a shipped pipeline finds the schema')
})
