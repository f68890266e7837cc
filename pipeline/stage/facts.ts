import { listed } from '../base/words.js'
import type { Facts } from './stage.js'

/** Reports a split that is asked for in the option `path` and that, as far as is known, never comes. */
export function checkSplit(
  { splits }: Facts,
  split: string,
  path: string,
  problem: (path: string, message: string) => void,
): void {
  if (splits && !splits.includes(split))
    problem(path, `no split named "${split}" reaches this stage; it has ${listed(splits, 'and')}`)
}
