import { isAbsolute } from 'node:path'
import { optionSchema } from './definition/wording.js'
import type { Draft } from './inputs.js'
import { outputPathsIn, sameName } from './output-path.js'
import { isOwnFile } from './run-directory.js'

/** Reports a mistake in an option of a stage; the empty option is the stage as a whole. */
type Report = (draft: Draft, option: string, message: string) => void

/**
 * Checks the files that stages will write: each by one stage, and inside the run directory unless `allowAbsolutePaths`.
 * Names that differ in their capitals alone are one file on some systems, and so they are here.
 */
export function checkOutputs(drafts: readonly Draft[], allowAbsolutePaths: boolean, report: Report): void {
  const writers = new Map<string, string>()
  for (const draft of drafts) {
    const { stage, options } = draft
    if (!stage || !options) continue
    const paths = [...outputPathsIn(optionSchema(stage.options), options)]
    const outside = allowAbsolutePaths ? [] : paths.filter(([, path]) => isAbsolute(path))
    for (const [option, path] of outside)
      report(
        draft,
        option,
        `expected a path inside the run directory: relative, without "..", got ${JSON.stringify(path)}; --allow-absolute-paths permits it`,
      )
    if (outside.length > 0) continue
    for (const file of stage.files?.(options) ?? paths.map(([, path]) => path)) {
      const writer = isOwnFile(file) ? 'the run itself' : writers.get(sameName(file))
      if (writer) report(draft, paths[0]?.[0] ?? '', `${file} is already written by ${writer}; give another path`)
      else writers.set(sameName(file), `${draft.title} at ${draft.where}`)
    }
  }
}
