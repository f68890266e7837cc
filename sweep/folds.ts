import { PipelineError } from '../pipeline/base/errors.js'
import { listed } from '../pipeline/base/words.js'
import { type Override, overrideOf } from '../pipeline/definition/overrides.js'
import type { Definition } from '../pipeline/definition/read.js'
import type { Sweep } from '../pipeline/definition/sweep.js'
import { entriesOf, formatOrigin, locate, plain, type Value, valueFrom } from '../pipeline/definition/value.js'

/** One repetition of a setting in a cross-validation. */
export interface Fold {
  /** The fold that is held out, from 1; undefined without a cross-validation. */
  readonly fold: number | undefined
  /** The options that hold it out, as `--set` would set them. */
  readonly overrides: readonly Override[]
}

/** The option of a stage that says how many folds there are, and the one that says which of them is held out. */
const OPTIONS = { count: 'folds', held: 'fold' } as const

/**
 * The folds to run each setting with; a single one without number if the block asks for none. Throws a PipelineError
 * `DEFINITION` if it is not clear which stage divides the rows into folds.
 *
 * @param block the checked block `sweep:`
 */
export function foldsOf(block: Value, definition: Pick<Definition, 'stages'>): Fold[] {
  const { folds, stage } = (plain(block) as Sweep).repeat ?? {}
  if (folds === undefined) return [{ fold: undefined, overrides: [] }]
  const where = formatOrigin(locate(block, ['repeat', stage === undefined ? 'folds' : 'stage']).origin)
  const id = stageOfFolds(stage, definition, where)
  const override = (option: string, value: number): Override =>
    overrideOf(`${id}.${option}`, valueFrom(value, locate(block, ['repeat', 'folds']).origin), where)
  return Array.from({ length: folds }, (_, i) => ({
    fold: i + 1,
    overrides: [override(OPTIONS.count, folds), override(OPTIONS.held, i + 1)],
  }))
}

function stageOfFolds(asked: string | undefined, { stages }: Pick<Definition, 'stages'>, where: string): string {
  const refuse = (message: string): PipelineError => new PipelineError('DEFINITION', [{ where, message }])
  if (asked !== undefined) {
    if (stages.some(({ id }) => id === asked)) return asked
    throw refuse(
      `sweep.repeat.stage: there is no stage "${asked}"; stages: ${listed(
        stages.map(({ id }) => id),
        'and',
      )}`,
    )
  }
  const found = stages.filter(({ with: options }) => entriesOf(options).has(OPTIONS.count)).map(({ id }) => id)
  if (found.length === 1) return found[0]!
  throw refuse(
    found.length === 0
      ? 'sweep.repeat.folds: no stage has the option `folds`; put one that divides rows behind the load stage: ' +
          '- use: split/rows, with: { folds: 5 }'
      : `sweep.repeat.folds: the stages ${listed(found, 'and')} have the option \`folds\`; say which one: repeat: { folds, stage }`,
  )
}
