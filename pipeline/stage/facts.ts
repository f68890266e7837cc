import { listed } from '../base/words.js'
import type { AnyLearner } from './learner.js'
import type { WireType } from './port.js'

/** What is known about a wire before any data is read. Fields that are not known are left out. */
export interface Facts {
  /** Names of the splits. */
  readonly splits?: readonly string[]
  /** Shape of one example; its product is the feature width. */
  readonly shape?: readonly number[]
  /** Names of the classes, in the order of the labels. */
  readonly classes?: readonly string[]
  /** Rows of a batch. */
  readonly batchSize?: number
  /** Whether each example has a weight, by which training steps multiply its loss. */
  readonly weighted?: boolean
  /** The splits from whose rows the load stage took the fill values of missing cells, if it took any from rows. */
  readonly fitted?: readonly string[]
  /** Names of the columns of a `metrics` wire. */
  readonly metrics?: readonly string[]
  /** The learner of a `parameters` wire; null if the stage that makes it names none. */
  readonly learner?: AnyLearner | null
}

/** What a stage gets when the graph is checked, before the run. */
export interface Checking<O> {
  /** Its options. */
  readonly options: O
  /** Facts of each input, by port. */
  readonly inputs: Readonly<Record<string, Facts>>
  /** Reports a mistake. `path` is the option with the mistake (`splits[2]`), or empty for the stage as a whole. */
  problem(path: string, message: string): void
}

/** The output that feeds an input. */
export interface Feed {
  /** The id of the stage. */
  readonly id: string
  /** The kind of table. */
  readonly type: WireType
}

/** Reports a split that the option `path` names, if the splits of the input are known and it is not one of them. */
export function checkSplit(
  { splits }: Facts,
  split: string,
  path: string,
  problem: (path: string, message: string) => void,
): void {
  if (splits && !splits.includes(split))
    problem(path, `no split named "${split}" reaches this stage; it has ${listed(splits, 'and')}`)
}

/** Reports parameters from a stage that names no learner. They cannot be scored. */
export function checkLearner(parameters: Facts | undefined, problem: (path: string, message: string) => void): void {
  if (parameters?.learner === null)
    problem(
      '',
      'the parameters come from a stage that names no learner, so they cannot be scored; ' +
        'give that stage a `learner` (see examples/hinge.js)',
    )
}
