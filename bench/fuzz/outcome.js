import { PipelineError } from '../../dist/index.js'

/** No input may take so much of the processor; nearly all take a thousandth of it. */
const PATIENCE_MS = 20_000

/** What an internal error, or one of JavaScript's own, looks like in a message. */
const LEAK =
  /\n\s+at |internal error|is not a function|Cannot read propert|is not iterable|\[object |Invalid array length|Maximum call stack/

/**
 * What came of an input: `sound`, or the code of its error. Throws where that is none of `codes`, or where the message
 * does not say where (`place`), or shows something of the inside.
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
