import type { OptionChange } from '../pipeline/directory/configuration.js'

/** An option that did not have one value for all steps of a run. */
export interface ChangeOnTheWay {
  /** The option, with the id of its stage: `model.eta`. */
  readonly option: string
  /** The var that it refers to. */
  readonly var?: string | undefined
  /** All its values, in order: `0.5, from step 282 on 0.001`. */
  readonly text: string
}

/** Returns the options that were changed on the way. A change that counts from the start on is none. */
export function changesOnTheWay(changes: readonly OptionChange[]): ChangeOnTheWay[] {
  const found = new Map<string, ChangeOnTheWay>()
  for (const { option, var: name, was, is, from } of changes) {
    if (from === 1) continue
    const before = found.get(option)?.text ?? textOf(was)
    found.set(option, { option, var: name, text: `${before}, from step ${from} on ${textOf(is)}` })
  }
  return [...found.values()]
}

function textOf(value: unknown): string {
  return value === null ? 'none' : typeof value === 'string' ? value : JSON.stringify(value)
}
