import { PipelineError, type StageContext } from '../../../pipeline/stage-kit.js'
import { readText } from './text.js'

/** The most characters of a line. */
const MOST_LINE = 1 << 24

/**
 * Reads the lines of a text file, without their ends. Throws a PipelineError `DATA` like `readText`, if a line is longer
 * than 16 MiB, and what `onLine` throws.
 *
 * @param onLine gets a line and its number, from 1
 */
export async function readLines(
  path: string,
  encoding: string | undefined,
  context: StageContext,
  onLine: (line: string, number: number) => void,
): Promise<void> {
  let rest = ''
  let number = 1
  for await (const text of readText(path, encoding, context)) {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      onLine(rest + text.slice(from, end), number++)
      rest = ''
      from = end + 1
    }
    rest += text.slice(from)
    if (rest.length > MOST_LINE)
      throw new PipelineError('DATA', `${path}:${number}: more than ${MOST_LINE} characters in one line`)
  }
  if (rest) onLine(rest, number)
}
