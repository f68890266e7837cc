import { z } from 'zod'
import type { Problem } from '../base/errors.js'
import { listed } from '../base/words.js'
import { checkPart } from './issues.js'
import { published } from './published.js'
import { sweep } from './sweep.js'
import { entriesOf, formatOrigin, isList, isMapping, type Value } from './value.js'

const stageName = z.string().min(1)
const stageId = z.string().min(1)
const options = z.record(z.string(), z.unknown())

/** A value that is checked later, when references are resolved and the stages are known. */
const later = z.unknown().optional()

const stage = z.strictObject({ use: stageName, id: later, with: options.nullish(), from: later })

const definition = z.strictObject({
  name: z.string().optional(),
  description: z.string().optional(),
  extends: z.string().min(1).optional(),
  seed: later,
  splitSeed: later,
  checkpoint: later,
  parallel: later,
  published: published.optional(),
  sweep: sweep.optional(),
  vars: options.nullish(),
  stages: z.array(stage).optional(),
  patch: z.array(options).optional(),
})

/** The changes in a `patch:`, by verb. The verbs are those of the class Pipeline. */
const changes = {
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
