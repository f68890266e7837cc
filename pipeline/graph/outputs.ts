import { isAbsolute } from 'node:path'
import { type OptionSchema, optionSchema } from '../definition/option-schema.js'
import { isRunFile, OUTPUT_PATH, pathKey } from '../files/output-path.js'
import type { AnyStage } from '../stage/stage.js'
import type { Draft } from './inputs.js'

/** Reports a mistake in an option of a stage, or in the stage as a whole if the option is the empty string. */
type Report = (draft: Draft, option: string, message: string) => void

/**
 * Checks the files that stages will write: one stage writes each file, and all files lie in the run directory unless
 * `allowAbsolutePaths` is set. Names that differ only in upper and lower case count as one file, because they are one
 * file on some systems.
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
        `expected a path inside the run directory: relative, without "..", got ${JSON.stringify(path)}; ` +
          '--allow-absolute-paths permits it',
      )
    if (outside.length > 0) continue
    for (const file of outputFilesOf(stage, options)) {
      const writer = isRunFile(file) ? 'the run itself' : writers.get(pathKey(file))
      if (writer) report(draft, paths[0]?.[0] ?? '', `${file} is already written by ${writer}; give another path`)
      else writers.set(pathKey(file), `${draft.title} at ${draft.where}`)
    }
  }
}

/** The output files of a stage that are known before the run, as it names them. */
export function outputFilesOf(stage: AnyStage, options: Readonly<Record<string, unknown>>): readonly string[] {
  return stage.files?.(options) ?? [...outputPathsIn(optionSchema(stage.options), options)].map(([, path]) => path)
}

/** Yields each output path in the options of a stage, with the path of its option (`a.b[2]`). */
export function* outputPathsIn(
  schema: OptionSchema,
  data: unknown,
  option = '',
): Generator<readonly [option: string, path: string]> {
  if (schema.format === OUTPUT_PATH && typeof data === 'string') yield [option, data]
  for (const branch of schema.anyOf ?? schema.oneOf ?? []) yield* outputPathsIn(branch, data, option)
  if (Array.isArray(data) && schema.items)
    for (const [i, item] of data.entries()) yield* outputPathsIn(schema.items, item, `${option}[${i}]`)
  if (data === null || typeof data !== 'object' || Array.isArray(data)) return
  for (const [name, inner] of Object.entries(schema.properties ?? {}))
    if (Object.hasOwn(data, name))
      yield* outputPathsIn(inner, (data as Record<string, unknown>)[name], option ? `${option}.${name}` : name)
}
