import { listed } from '../base/words.js'
import type { Facts } from './stage.js'

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
