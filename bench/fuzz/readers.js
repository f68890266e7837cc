import { arrayFiles } from './array-files.js'
import { dataFiles } from './data-files.js'
import { definitions } from './definitions.js'
import { options } from './options.js'
import { outputs } from './outputs.js'
import { recordedFiles } from './recorded-files.js'
import { runs } from './runs.js'
import { settings } from './settings.js'

/**
 * All readers of input that strangers may have written. `inputs` is a fast-check arbitrary. `check(input, folder)`
 * returns the outcome in a word, and throws if it is not documented. `weight` is the reader's share of the inputs.
 */
export const readers = [
  ...definitions,
  ...settings,
  ...options,
  ...outputs,
  ...dataFiles,
  ...arrayFiles,
  ...recordedFiles,
  ...(await runs()),
]

/** Divides `total` inputs among the readers by weight; each gets at least ten. */
export function shares(total) {
  const sum = readers.reduce((all, { weight }) => all + weight, 0)
  return readers.map((reader) => ({ reader, count: Math.max(10, Math.ceil((total * reader.weight) / sum)) }))
}
