import { PipelineError } from '../../dist/index.js'

/** Limit of processor time for one input; nearly all take a thousandth of it. */
const PATIENCE_MS = 20_000

/** Matches messages with an internal error, or with an error of JavaScript itself. */
const LEAK =
  /\n\s+at |internal error|is not a function|Cannot read propert|is not iterable|\[object |Invalid array length|Maximum call stack/

/**
 * Reads an input and returns the outcome: `sound`, or the code of the error. Throws if the code is not one of `codes`,
 * if the message does not name the position (`place`), or if it shows internals.
 */
export async function outcomeOf(read, codes, place) {
  const begun = process.cpuUsage()
  const outcome = await read().then(
    () => 'sound',
    (error) => codeOf(error, codes, place),
  )
  const { user, system } = process.cpuUsage(begun)
  const took = (user + system) / 1000
  if (took > PATIENCE_MS) throw new Error(`it took ${Math.round(took)} ms of the processor`)
  return outcome
}

function codeOf(error, codes, place) {
  if (!(error instanceof PipelineError)) throw new Error(`expected a PipelineError, got ${error?.stack ?? error}`)
  if (!codes.includes(error.code))
    throw new Error(`expected ${codes}, got ${error.code}: ${error.message}`, { cause: error })
  if (LEAK.test(error.message)) throw new Error(`a message from the inside: ${error.message}`, { cause: error })
  for (const { where = '', message } of error.problems)
    if (!place.test(where) && !place.test(message))
      throw new Error(`it does not say where: ${message}`, { cause: error })
  return error.code
}
