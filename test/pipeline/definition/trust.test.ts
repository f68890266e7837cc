import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Pipeline } from '../../../dist/index.js'
import { decideTrust } from '../../../dist/pipeline/definition/trust.js'

const stage = `import { defineStage, wire, z } from 'millrace/stage'
export default defineStage({ name: 'mine', summary: '', options: z.strictObject({}),
  inputs: { examples: wire.examples }, outputs: {}, example: '', run: () => (tables) => tables })`

/** A folder with stage files beside, below and outside a definition. The definition uses the stage `use`. */
function folderWith(t: Test, use: string): { readonly folder: string; readonly definition: string } {
  const folder = t.testdir({
    'outside.js': stage,
    own: {
      'beside.js': stage,
      below: { 'deep.js': stage },
      node_modules: { plugin: { 'index.js': stage, 'package.json': '{"type":"module","main":"index.js"}' } },
    },
  })
  mkdirSync(join(folder, 'own/node_modules/.keep'), { recursive: true })
  symlinkSync('../outside.js', join(folder, 'own/link.js'))
  const definition = join(folder, 'own/pipeline.yaml')
  writeFileSync(definition, `stages:\n  - use: load/digits\n  - use: ${use}\n`)
  return { folder, definition }
}

t.test(
  'stage files come from the folder of the definition, from below it, and from packages installed there',
  async (t) => {
    for (const use of ['./beside.js', './below/deep.js', './below/../beside.js', 'plugin'])
      t.equal((await Pipeline.load(folderWith(t, use).definition)).graph.nodes[1]?.stage.name, 'mine', use)
  },
)

t.test('stage files from elsewhere are refused, by whatever way they are named', async (t) => {
  for (const use of ['../outside.js', './below/../../outside.js', './link.js', 'ABSOLUTE']) {
    const { folder, definition } = folderWith(t, use)
    const named = use === 'ABSOLUTE' ? join(folder, 'outside.js') : use
    writeFileSync(definition, `stages:\n  - use: load/digits\n  - use: ${named}\n`)
    await t.rejects(
      Pipeline.load(definition),
      {
        code: 'DEFINITION',
        message: new RegExp(
          ':3:10 {2}stages\\[1\\]: .* leads out of .*own, the folder of the definition; ' +
            'stage files come from there or below, and from the folder that --plugins names$',
        ),
      },
      use,
    )
    t.ok(await Pipeline.load(definition, { plugins: folder }), 'but from a folder that is allowed')
  }
})

t.test('a name of a package cannot lead out of the folder of packages, nor name a module of Node', async (t) => {
  for (const use of ['..', '.', 'plugin/../../outside.js', 'fs', 'fs/promises', '"node:fs"'])
    await t.rejects(
      Pipeline.load(folderWith(t, use).definition),
      { code: 'DEFINITION', message: /no stage named/ },
      use,
    )
})

t.test('a definition that extends another cannot point its stage file elsewhere', async (t) => {
  const { folder } = folderWith(t, './beside.js')
  writeFileSync(
    join(folder, 'own/base.yaml'),
    'vars: { stage: beside }\nstages:\n  - use: load/digits\n  - use: ./${stage}.js\n',
  )
  const child = join(folder, 'child.yaml')
  writeFileSync(child, 'extends: own/base.yaml\nvars: { stage: ../outside }\n')
  await t.rejects(Pipeline.load(child), { message: /leads out of/ })
  t.ok(await Pipeline.load(child, { set: ['stage=below/deep'] }))
})

t.test('no stage file comes from the directory of a run or sweep, whatever the definition is called', async (t) => {
  for (const marks of [['sweep.json'], ['pipeline.yaml', 'run.json'], ['pipeline.yaml', 'checkpoint']]) {
    const folder = t.testdir({ theirs: { below: { 'x.js': stage } } })
    for (const mark of marks) writeFileSync(join(folder, 'theirs', mark), '')
    const definition = join(folder, 'theirs/below/other.yml')
    writeFileSync(definition, 'stages:\n  - use: load/digits\n  - use: ./x.js\n')
    writeFileSync(join(folder, 'child.yaml'), 'extends: theirs/below/other.yml\n')
    symlinkSync('theirs/below', join(folder, 'linked'))
    for (const file of [definition, join(folder, 'child.yaml'), join(folder, 'linked/other.yml')]) {
      await t.rejects(Pipeline.load(file), {
        code: 'DEFINITION',
        message: /x\.js is code in the run directory .*theirs,/,
      })
      t.ok(await Pipeline.load(file, { plugins: join(folder, 'theirs') }), 'but from a folder that is named')
    }
  }
})

t.test('what the user names on the command line may lie anywhere', async (t) => {
  const { folder, definition } = folderWith(t, './beside.js')
  t.ok(await Pipeline.load(definition, { set: [`beside.use=${join(folder, 'outside.js')}`] }))
})

t.test('without plugins neither files nor packages are loaded, whoever names them', async (t) => {
  for (const use of ['./beside.js', 'plugin']) {
    const { definition } = folderWith(t, use)
    const message =
      use === 'plugin'
        ? /no stage named "plugin"/
        : /:3:10 {2}stages\[1\]: \.\/beside\.js is code, which --no-plugins or MILLRACE_NO_PLUGINS forbids/
    await t.rejects(Pipeline.load(definition, { plugins: false }), { code: 'DEFINITION', message })
    await t.rejects(Pipeline.load(definition, { plugins: '/', environment: { MILLRACE_NO_PLUGINS: '1' } }), { message })
  }
  await t.rejects(Pipeline.load('digits', { plugins: false, set: ['terminal.use=./x.js'] }), {
    message: /is code, which/,
  })
})

t.test('the environment forbids plugins whatever else is said', async (t) => {
  for (const value of ['1', 'yes', 'true'])
    t.equal(decideTrust({ plugins: true }, { MILLRACE_NO_PLUGINS: value }).plugins, false)
  for (const value of ['', '0', 'false', undefined])
    t.equal(decideTrust({}, { MILLRACE_NO_PLUGINS: value }).plugins, true)
})

t.test('sinks may have absolute paths where that is allowed, and the run agrees with the check', async (t) => {
  const { folder } = folderWith(t, './beside.js')
  const path = join(folder, 'away.csv')
  await t.rejects(Pipeline.load('digits', { set: [`csv.path=${path}`] }), {
    message: /--allow-absolute-paths permits it$/,
  })
  const { definition } = await Pipeline.load('digits', { set: [`csv.path=${path}`], allowAbsolutePaths: true })
  t.equal(definition.trust.allowAbsolutePaths, true)
})
