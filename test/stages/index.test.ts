import { existsSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import { builtInLearners } from '../../dist/learners/index.js'
import { type OptionSchema, optionSchema } from '../../dist/pipeline/definition/option-schema.js'
import { type AnyStage, isStage } from '../../dist/pipeline/stage/stage.js'
import * as exports from '../../dist/stages/index.js'

const stages = Object.fromEntries(Object.entries(exports).filter(([, value]) => isStage(value))) as Record<
  string,
  AnyStage
>

/** Every option, also those inside of options, with its path. */
function* optionsIn(schema: OptionSchema, path = ''): Generator<[path: string, option: OptionSchema]> {
  for (const branch of [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])])
    for (const [name, option] of Object.entries(branch.properties ?? {})) {
      yield [path + name, option]
      yield* optionsIn(option, `${path}${name}.`)
    }
}

const camelCase = (name: string) => name.replace(/[-/](\w)/g, (_, letter: string) => letter.toUpperCase())

t.test('all exports are stages, no two of the same name, and what makes training stages', (t) => {
  const names = Object.values(stages).map((stage) => stage.name)
  t.strictSame(
    Object.keys(exports).filter((name) => !(name in stages)),
    ['gradientStep', 'parametersOf'],
  )
  t.ok(names.length >= 17)
  t.equal(new Set(names).size, names.length)
  t.end()
})

t.test('models of all training stages can be loaded', async (t) => {
  const learners = Object.values(stages).flatMap(({ learner }) => learner ?? [])
  t.strictSame(learners.map(({ name }) => name).sort(), builtInLearners.map(({ name }) => name).sort())
})

for (const [exported, stage] of Object.entries(stages)) {
  t.test(`${stage.name} is declared as every stage is`, async (t) => {
    const file = new URL(`../../stages/${stage.name}.ts`, import.meta.url)
    t.ok(existsSync(file), 'the name is the file it lives in')
    t.equal(exported, camelCase(stage.name), 'the export is family and name')
    const own = (await import(`../../dist/stages/${stage.name}.js`)) as Record<string, unknown>
    t.equal(own[camelCase(stage.name.split('/')[1]!)], stage, 'the export of its file is the name')

    t.match(stage.summary, /^[A-Z][^.]*s .*\.$/, 'the summary is a sentence in the third person')
    for (const [path, option] of optionsIn(optionSchema(stage.options)))
      t.match(option.description, /\.$/, `the option ${path} is described`)
    t.equal(optionSchema(stage.options).additionalProperties, false, 'an unknown option is an error')

    const [entry, ...others] = parse(stage.example) as { use: string; with?: object }[]
    t.equal(others.length, 0)
    t.equal(entry?.use, stage.name, 'the example is one use of the stage')
    t.ok(stage.options.safeParse(entry?.with ?? {}).success, 'with options it accepts')
  })
}
