import { join } from 'node:path'
import type { Test } from 'tap'
import { parse, stringify } from 'yaml'
import { Pipeline, run } from '../../dist/index.js'
import { builtInStages } from '../../dist/pipeline/graph/registry.js'
import { planSweep } from '../../dist/sweep/index.js'
import { temporary } from '../stages/harness.js'
import { svgOnly } from '../svg-only.js'
import { type Block, reasonFor } from './blocks.js'
import { write } from './page-runner.js'

/** An entry of `stages:`. */
interface Entry {
  readonly use: string
  readonly id?: string
  readonly with?: Readonly<Record<string, unknown>>
}

const stages = await builtInStages()
const digits = parse((await Pipeline.load('digits')).toYAML()) as { readonly stages: readonly Entry[] }
const isBuiltIn = /^load\/(digits|synthetic)$/

/** Checks a whole pipeline, and runs it if its data is built in. A pipeline with a name is there as NAME.yaml from then on. */
export async function runPipeline(
  t: Test,
  block: Block,
  content: { name?: string; stages?: readonly Entry[] },
): Promise<void> {
  const file = block.file ?? `${content.name ?? 'pipeline'}.yaml`
  write(file, block.text)
  const pipeline = await Pipeline.load(file)
  t.ok(pipeline.graph.nodes.length > 0, `${file} is sound`)
  if ('sweep' in content) t.ok((await planSweep(file)).points.length > 1, `${file} is a sweep`)
  if (reasonFor(block, '') || !pipeline.graph.nodes.some(({ stage }) => isBuiltIn.test(stage.name))) return
  if (pipeline.graph.nodes.some(({ stage }) => stage.name.startsWith('evaluate/'))) await runShort(t, pipeline)
}

/**
 * Checks a part of a pipeline. Keys of a definition are put on top of the digits. Stages take the place of those of the
 * same id or family in the pipeline of the digits, which then runs for an epoch; load stages whose data is not
 * there are checked alone.
 */
export async function checkFragment(t: Test, block: Block, content: unknown): Promise<void> {
  if (content === null) return void t.pass('a comment')
  if (!Array.isArray(content)) return checkKeys(t, block, content as object)
  for (const entry of content as Entry[]) checkOptions(t, entry)
  if (reasonFor(block, '') || content.some(({ use }) => /^load\//.test(use) && !isBuiltIn.test(use))) return
  const file = join(temporary(t), 'part.yaml')
  write(file, stringify({ ...digits, stages: merged(content) }))
  await runShort(t, await Pipeline.load(file, { set: ['epochs=1'] }))
}

async function checkKeys(t: Test, block: Block, content: object): Promise<void> {
  if ('apiVersion' in content) return void t.ok(reasonFor(block, ''), 'a job of Kubernetes says why it is not run')
  const file = join(temporary(t), 'part.yaml')
  write(file, stringify({ name: 'part', extends: 'digits', ...content }))
  t.ok((await Pipeline.load(file)).graph.nodes.length > 0, 'sound on top of the digits')
  if ('sweep' in content) t.ok((await planSweep(file)).points.length > 1, 'a sweep')
}

/** Whether the options of a stage are what it takes. References such as `${eta}` stand for any value. */
function checkOptions(t: Test, { use, with: given = {} }: Entry): void {
  const stage = stages.get(use)
  if (!stage) return void t.match(use, /^\.\//, `${use} is a stage`)
  const { error } = stage.options.safeParse(given)
  const valueAt = (path: readonly PropertyKey[]): unknown =>
    path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], given)
  const problems = error?.issues.filter(({ path }) => !String(valueAt(path)).includes('${')) ?? []
  t.strictSame(problems, [], `the options of ${use}`)
}

function merged(given: readonly Entry[]): Entry[] {
  const all = [...digits.stages]
  for (const entry of given) {
    const [family] = entry.use.split('/')
    const same = all.findIndex(({ id, use }) => id === (entry.id ?? use.split('/')[1]))
    const alike = all.findIndex(({ use }) => use.startsWith(`${family}/`))
    const at = same >= 0 ? same : /^(sink|augment|stop|evaluate)$/.test(family!) ? -1 : alike
    if (at >= 0) all[at] = { ...entry, id: entry.id ?? all[at]!.id ?? all[at]!.use.split('/')[1]! }
    else if (family === 'augment')
      all.splice(
        all.findIndex(({ use }) => use.startsWith('gradient-step/')),
        0,
        entry,
      )
    else all.push(entry)
  }
  return all
}

async function runShort(t: Test, pipeline: Pipeline): Promise<void> {
  const { history } = await run(svgOnly(pipeline), { out: join(temporary(t), 'run') })
  t.ok(history.length > 0, 'runs')
}
