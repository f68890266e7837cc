import { z } from 'zod'
import { PipelineError, type Problem } from '../base/errors.js'
import { formatIssues } from './option-schema.js'
import { isResolved, plain, type Value } from './value.js'

/** How often checkpoints are made: after so many epochs or steps, or when so many seconds have passed. */
export type Cadence = { readonly epochs: number } | { readonly steps: number } | { readonly seconds: number }

/** When checkpoints are made and how many are kept; 0: none at all. */
export interface CheckpointRule {
  readonly every: Cadence
  readonly keep: number
  /** True where somebody asked for them: a pipeline that cannot have them is wrong then. */
  readonly isAsked: boolean
}

const FORMS = 'expected "epoch", "5 epochs", "500 steps", "30s", "10min" or "1h"'

const every = z.string().refine((text) => cadenceOf(text) !== undefined, { error: FORMS })

const rule = z.union([
  z.literal('none'),
  z.strictObject({
    every: every.default('30s'),
    keep: z.int().min(1).max(1000).default(2),
  }),
])

/** Checkpoints where a definition says nothing: seldom enough to cost nothing. */
const usual: CheckpointRule = { every: { seconds: 30 }, keep: 2, isAsked: false }

/** What a `checkpoint:` block says. Mistakes are added to `problems`. */
export function checkpointRule(value: Value | undefined, problems: Problem[]): CheckpointRule {
  if (!value || !isResolved(value)) return usual
  const checked = rule.safeParse(plain(value))
  if (!checked.success) {
    problems.push(...formatIssues(checked.error, rule, value, 'checkpoint: ', 'key'))
    return usual
  }
  if (checked.data === 'none') return { ...usual, keep: 0 }
  return { every: cadenceOf(checked.data.every)!, keep: checked.data.keep, isAsked: true }
}

/** The rule with another cadence, as `--checkpoint` gives it. Throws a PipelineError `ARGUMENTS`. */
export function withCadence(rule: CheckpointRule, text: string | undefined): CheckpointRule {
  if (text === undefined) return rule
  if (text === 'none') return { ...rule, keep: 0 }
  const every = cadenceOf(text)
  if (!every) throw new PipelineError('ARGUMENTS', `--checkpoint: ${FORMS} or "none", got ${JSON.stringify(text)}`)
  return { every, keep: rule.keep || usual.keep, isAsked: true }
}

/** The block `checkpoint:` that says the same; nothing where it would say what holds anyway. */
export function writtenRule({
  every,
  keep,
  isAsked,
}: CheckpointRule): 'none' | { every: string; keep: number } | undefined {
  if (keep === 0) return 'none'
  if (!isAsked) return undefined
  const [[unit, count] = []] = Object.entries(every)
  return { every: unit === 'seconds' ? `${count}s` : `${count} ${unit}`, keep }
}

const seconds = new Map([
  ['s', 1],
  ['min', 60],
  ['h', 3600],
])

function cadenceOf(text: string): Cadence | undefined {
  const [, count = '1', unit = ''] = /^(?:([1-9]\d{0,8}) ?)?(epochs?|steps?|s|min|h)$/.exec(text) ?? []
  if (unit === '') return undefined
  const length = seconds.get(unit)
  if (length !== undefined) return { seconds: Number(count) * length }
  return unit.startsWith('epoch') ? { epochs: Number(count) } : { steps: Number(count) }
}
