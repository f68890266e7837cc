import { z } from 'zod'
import type { Problem } from '../base/errors.js'
import { listed } from '../base/words.js'
import { checkPart } from './issues.js'
import { published } from './published.js'
import { sweep } from './sweep.js'
import { tests } from './tests.js'
import { entriesOf, formatOrigin, isList, isMapping, type Value } from './value.js'

const stageName = z.string().min(1)
const stageId = z.string().min(1)
const options = z.record(z.string(), z.unknown())

/** A value that is checked later, when references are resolved and the stages are known. */
const later = z.unknown().optional()

const stage = z.strictObject({ use: stageName, id: later, with: options.nullish(), from: later })

/** Schema of a definition, before references are resolved. */
export const definition = z.strictObject({
  name: z
    .string()
    .optional()
    .describe('The name, which stands in reports and names run directories. Default: that of the file.'),
  description: z.string().optional().describe('A sentence about the pipeline.'),
  extends: z.string().min(1).optional().describe('A file, or a built-in pipeline, that this one changes.'),
  seed: later.describe('The seed of all random numbers.'),
  splitSeed: later.describe('The seed that divides rows into splits. Default: `seed`, whatever --seed a run gets.'),
  checkpoint: later.describe('When checkpoints are written, and how many are kept; or none.'),
  memory: later.describe(
    'The most memory that the stages of a run take for rows, such as 1GB. Splits behind cache/arrow that do not fit are read in windows.',
  ),
  parallel: later.describe('How one run is divided among several processes.'),
  published: published.optional().describe('Published results, which reports compare with.'),
  sweep: sweep.optional().describe('The settings that `millrace sweep` runs. A single run ignores it.'),
  tests: tests.optional().describe('Tests of the pipeline, which `millrace test` runs. A run ignores them.'),
  vars: options.nullish().describe('Constants by name. ${name} refers to one, --set name=value changes it.'),
  stages: z
    .array(stage)
    .optional()
    .describe('The stages, from the data to the files. Each reads the one above, or what `from` names.'),
  patch: z.array(options).optional().describe('Changes to the stages of the file that `extends` names.'),
})

/** The changes in a `patch:`, by verb. The verbs are those of the class Pipeline. */
export const changes = {
  set: z.strictObject({ set: stageId, with: options }),
  replace: z.strictObject({ replace: stageId, use: stageName, with: options.nullish(), from: later }),
  insertAfter: z.strictObject({
    insertAfter: stageId,
    use: stageName,
    id: later,
    with: options.nullish(),
    from: later,
  }),
  remove: z.strictObject({ remove: stageId }),
}

/** What a change does: `set`, `replace`, `insertAfter` or `remove`. */
export type Verb = keyof typeof changes
const verbs = Object.keys(changes) as Verb[]

/** The verb of a change, or undefined if it has none or several. */
export function verbOf(change: Value): Verb | undefined {
  const found = verbs.filter((verb) => entriesOf(change).has(verb))
  return found.length === 1 ? found[0] : undefined
}

/** Checks the keys and types of one file, before references are resolved. Adds mistakes to `problems`. */
export function checkShape(source: Value, problems: Problem[]): void {
  checkPart(definition, source, '', problems, 'key')
  const patch = entriesOf(source).get('patch')?.value
  const list: readonly Value[] = isList(patch) ? patch.data : []
  for (const [i, change] of list.entries()) if (isMapping(change)) checkChange(change, `patch[${i}]: `, problems)
}

function checkChange(change: Value, prefix: string, problems: Problem[]): void {
  const verb = verbOf(change)
  if (verb) checkPart(changes[verb], change, prefix, problems, 'key')
  else {
    const keys = [...entriesOf(change).keys()].map((key) => `"${key}"`)
    problems.push({
      where: formatOrigin(change.origin),
      message: `${prefix}expected one of ${listed(verbs, 'and')}, got ${listed(keys, 'and') || 'nothing'}`,
    })
  }
}
