import { realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Pipeline } from '../../../dist/index.js'
import { builtInStages, isFile, resolveStage } from '../../../dist/pipeline/graph/registry.js'
import { temporary } from '../../stages/harness.js'

/** The text of a module that exports stages under these names. */
function moduleOf(...names: string[]): string {
  const stage = (name: string) => `defineStage({
    name: 'mine/${name}', summary: '', options: z.strictObject({}), inputs: { examples: wire.examples },
    outputs: { examples: wire.examples }, example: '', run: () => (examples) => examples })`
  return [
    "import { defineStage, wire, z } from 'millrace/stage'",
    ...names.map((name) =>
      name === 'default' ? `export default ${stage(name)}` : `export const ${name} = ${stage(name)}`,
    ),
    'export const other = { name: "no stage" }',
  ].join('\n')
}

t.test('built-in stages are found by the name they have, from any folder', async (t) => {
  const stages = await builtInStages()
  t.ok(stages.size >= 17)
  for (const [name, stage] of stages) {
    t.equal(stage.name, name)
    t.equal(await resolveStage(name, '/'), stage)
  }
  t.equal(await builtInStages(), stages, 'made once')
})

t.test('isFile tells files from names', async (t) => {
  for (const [use, expected] of [
    ['./a.js', true],
    ['../a/b.js', true],
    ['.\\a.js', true],
    ['/a.js', true],
    ['C:\\a.js', true],
    ['a.js', false],
    ['load/csv', false],
    ['@scope/name', false],
    ['.a', false],
  ] as const)
    t.equal(isFile(use), expected, use)
})

t.test('a stage file is looked for from the folder of the definition', async (t) => {
  const folder = t.testdir({
    'one.js': moduleOf('only'),
    'default.mjs': moduleOf('first', 'default'),
    'many.js': moduleOf('first', 'second'),
    sub: {},
  })
  for (const [use, name] of [
    ['./one.js', 'only'],
    ['./one.js#only', 'only'],
    ['./default.mjs', 'default'],
    ['./default.mjs#first', 'first'],
    ['./many.js#second', 'second'],
    ['./many.js#mine/second', 'second'],
    [join(folder, 'one.js'), 'only'],
  ] as const)
    t.equal((await resolveStage(use, folder)).name, `mine/${name}`, use)
  t.equal((await resolveStage('../one.js', join(folder, 'sub'))).name, 'mine/only')
})

t.test('a stage file that gives no stage says what it gives', async (t) => {
  const folder = t.testdir({
    'many.js': moduleOf('first', 'second'),
    'none.js': 'export const x = 1\n',
    'empty.js': '',
    'throws.js': 'throw new Error("no luck")\n',
    'broken.js': 'export const = 1\n',
    'lost.js': "import './nowhere.js'\n",
    'folder.js': {},
  })
  for (const [use, message] of [
    ['./many.js', './many.js exports first, second; pick one with "./many.js#first"'],
    ['./many.js#third', './many.js#third exports first, second, not third; pick one with "./many.js#first"'],
    ['./none.js', './none.js exports no stage; expected "export default defineStage({ … })"'],
    ['./none.js#x', './none.js#x exports no stage; expected "export default defineStage({ … })"'],
    ['./empty.js', './empty.js exports no stage; expected "export default defineStage({ … })"'],
    ['./throws.js', 'cannot load the stage ./throws.js: no luck'],
    ['./broken.js', "cannot load the stage ./broken.js: Unexpected token '='"],
    ['./lost.js', /^cannot load the stage \.\/lost\.js: Cannot find module .*nowhere\.js/],
    ['./folder.js', /^cannot load the stage \.\/folder\.js: /],
    ['./gone.js', /^no stage file .*gone\.js$/],
  ] as const)
    await t.rejects(resolveStage(use, folder), { code: 'DEFINITION', message }, use)
})

t.test('a package is looked for in node_modules of the folder and those above', async (t) => {
  const folder = t.testdir({
    node_modules: {
      plain: { 'package.json': '{ "type": "module", "main": "main.js" }', 'main.js': moduleOf('one', 'two') },
      '@scope': {
        name: {
          'package.json': '{ "type": "module", "exports": { ".": "./a.js", "./deep": "./b.js" } }',
          'a.js': moduleOf('a'),
          'b.js': moduleOf('b'),
        },
      },
    },
    sub: {},
  })
  for (const [use, name] of [
    ['plain#two', 'two'],
    ['@scope/name', 'a'],
    ['@scope/name/deep', 'b'],
  ] as const)
    for (const from of [folder, join(folder, 'sub')]) t.equal((await resolveStage(use, from)).name, `mine/${name}`, use)
  await t.rejects(resolveStage('plain', folder), { message: 'plain exports one, two; pick one with "plain#one"' })
})

t.test('a name that is nothing at all says where stages come from', async (t) => {
  const folder = t.testdir({ 'mine.ts': '' })
  for (const [use, rest] of [
    ['load/cvs', '; did you mean "load/csv"?'],
    ['mine', '; did you mean "./mine.ts"?'],
    ['fs', '; "millrace stages" lists the built-in ones, "./file.js" uses your own'],
    ['node:fs', '; "millrace stages" lists the built-in ones, "./file.js" uses your own'],
    ['__proto__', '; "millrace stages" lists the built-in ones, "./file.js" uses your own'],
    ['a b', '; "millrace stages" lists the built-in ones, "./file.js" uses your own'],
  ] as const)
    await t.rejects(resolveStage(use, folder), { code: 'DEFINITION', message: `no stage named "${use}"${rest}` }, use)
})

t.test('a stage file that stands outside any node_modules imports millrace, rxjs and the like', async (t) => {
  const folder = realpathSync(temporary(t))
  writeFileSync(
    join(folder, 'mine.mjs'),
    `import { tableFromArrays } from 'apache-arrow'
import { defineStage, wire } from 'millrace/stage'
import * as stages from 'millrace/stages'
import { map } from 'rxjs'
import { z } from 'zod'
if (![tableFromArrays, map, stages.loadDigits].every(Boolean)) throw new Error('something is missing')
export default defineStage({ name: 'mine', summary: '', options: z.strictObject({ by: z.number() }),
  inputs: { examples: wire.examples }, outputs: { examples: wire.examples }, example: '', run: () => map((x) => x) })
`,
  )
  writeFileSync(join(folder, 'p.yaml'), 'stages:\n  - use: load/digits\n  - use: ./mine.mjs\n    with: { by: 2 }\n')
  writeFileSync(join(folder, 'lost.mjs'), "import 'millrace-is-not-this'\n")
  const pipeline = await Pipeline.load(join(folder, 'p.yaml'))
  t.equal(pipeline.graph.nodes[1]!.stage.name, 'mine')
  await t.rejects(resolveStage('./lost.mjs', folder), { message: /Cannot find package 'millrace-is-not-this'/ })
})
