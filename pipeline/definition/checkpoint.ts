import { z } from 'zod'
import { PipelineError, type Problem } from '../base/errors.js'
import { type Every, every, everyForms, formatEvery, parseEvery } from '../base/every.js'
import { checkPart } from './issues.js'
import { isResolved, type Value } from './value.js'

/** When a run writes checkpoints, and how many of them it keeps. */
export interface CheckpointRule {
  /** How often a checkpoint is written. */
  readonly every: Every
  /** How many checkpoints are kept, the newest ones. With 0 none is written. */
  readonly keep: number
  /** True if the user asked for checkpoints. It is then an error if a stage of the pipeline cannot be checkpointed. */
  readonly isAsked: boolean
}

/** The rule of a definition without a `checkpoint:` block. A checkpoint every 30 seconds has no measurable cost. */
const defaultRule: CheckpointRule = { every: { seconds: 30 }, keep: 2, isAsked: false }

/** Schema of the block `checkpoint:`. */
export const checkpointSchema = z.union([
  z.literal('none'),
  z.strictObject({
    every: every.prefault(formatEvery(defaultRule.every)).describe('How often a checkpoint is written.'),
    keep: z.int().min(1).max(1000).default(defaultRule.keep).describe('How many are kept, the newest ones.'),
  }),
])

/** Reads a `checkpoint:` block. Adds its mistakes to `problems`, and then returns the default rule. */
export function readCheckpointRule(value: Value | undefined, problems: Problem[]): CheckpointRule {
  if (!value || !isResolved(value)) return defaultRule
  const checked = checkPart(checkpointSchema, value, 'checkpoint: ', problems, 'key')
  if (!checked) return defaultRule
  return checked === 'none' ? { ...defaultRule, keep: 0 } : { ...checked, isAsked: true }
}

/**
 * Applies the flag `--checkpoint` to a rule. `text` is an interval, `none`, or undefined if the flag is not given.
 * Throws a PipelineError `ARGUMENTS` for any other text.
 */
export function overrideCheckpointRule(rule: CheckpointRule, text: string | undefined): CheckpointRule {
  if (text === undefined) return rule
  if (text === 'none') return { ...rule, keep: 0 }
  const every = parseEvery(text)
  if (!every)
    throw new PipelineError('ARGUMENTS', `--checkpoint: expected ${everyForms} or "none", got ${JSON.stringify(text)}`)
  return { every, keep: rule.keep || defaultRule.keep, isAsked: true }
}

/** The equivalent `checkpoint:` block, or undefined if the user asked for nothing. */
export function formatCheckpointRule({
  every,
  keep,
  isAsked,
}: CheckpointRule): 'none' | { every: string; keep: number } | undefined {
  if (keep === 0) return 'none'
  return isAsked ? { every: formatEvery(every), keep } : undefined
}
