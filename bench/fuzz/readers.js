import { dataFiles } from './data-files.js'
import { definitions } from './definitions.js'
import { options } from './options.js'
import { outputs } from './outputs.js'
import { runs } from './runs.js'
import { settings } from './settings.js'

/**
 * All that reads what strangers may have written. `inputs` is a fast-check arbitrary; `check(input, folder)` gives the
 * outcome in a word and throws where it is not one that is documented; `weight` is the share of the inputs it gets.
 */
export const readers = [...definitions, ...settings, ...options, ...outputs, ...dataFiles, ...(await runs())]

/** How many of `total` inputs each reader gets, at least ten. */
export function shares(total) {
  const sum = readers.reduce((all, { weight }) => all + weight, 0)
  return readers.map((reader) => ({ reader, count: Math.max(10, Math.ceil((total * reader.weight) / sum)) }))
}
