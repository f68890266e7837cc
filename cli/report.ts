import { oneLine } from '../pipeline/base/plain-text.js'
import { counted } from '../pipeline/base/words.js'
import { writeReport } from '../report/index.js'
import type { Output } from './terminal.js'

/** The flags of `millrace report`. */
export interface ReportFlags {
  /** The HTML file to write. */
  readonly out: string
  /** The directory for the tables, if they are wanted. */
  readonly tables?: string
  /** True if files are replaced that are not of an earlier report. */
  readonly force?: boolean
  /** True if the result is printed as JSON. */
  readonly json?: boolean
}

/** `millrace report`: writes one HTML file about one run or several, and its tables in other formats. */
export async function reportCommand(directories: readonly string[], flags: ReportFlags, output: Output): Promise<void> {
  const { files, bytes, verdicts } = await writeReport(directories, flags)
  if (flags.json) {
    output.write(`${JSON.stringify({ files, bytes, verdicts })}\n`)
    return
  }
  for (const { experiment, verdict } of verdicts)
    if (verdict) output.write(`${oneLine(experiment)}, beside what was published: ${verdict}\n`)
  output.write(`${Math.ceil(bytes / 1024).toLocaleString('en')} kB in ${files[0]}\n`)
  if (flags.tables !== undefined) output.write(`${counted(files.length - 1, 'table')} in ${flags.tables}\n`)
}
