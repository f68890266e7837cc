import { existsSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import type { StageEntry } from '../definition/entries.js'
import { type OptionSchema, optionSchema } from '../definition/option-schema.js'
import { isList, isMapping, locate, type Origin, plain, type Value, withValue } from '../definition/value.js'
import { INPUT_PATH } from '../files/input-path.js'
import type { AnyStage } from '../stage/stage.js'

/** One option that names a file or folder to read. */
export interface Input {
  /** Where the option stands: keys, and positions in lists. */
  readonly steps: readonly string[]
  /** The path as the option says it. */
  readonly path: string
  /** What the schema says that a user can do if there is no such file. */
  readonly help: string | undefined
}

/** The options of a stage that name files or folders to read. */
export function inputsOf(schema: OptionSchema, data: unknown, steps: readonly string[] = []): Input[] {
  if (schema.format === INPUT_PATH && typeof data === 'string') return [{ steps, path: data, help: schema.help }]
  const found = (schema.anyOf ?? schema.oneOf ?? []).flatMap((branch) => inputsOf(branch, data, steps))
  if (data === null || typeof data !== 'object') return found
  for (const [key, part] of Object.entries(data)) {
    const others = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined
    const inner = Array.isArray(data) ? schema.items : (schema.properties?.[key] ?? others)
    if (inner) found.push(...inputsOf(inner, part, [...steps, key]))
  }
  return found
}

/** The folders in which relative paths are looked for first, before that of the definition. */
export type InputFolders = readonly string[]

/** These folders for a definition. Default: the current one. */
export function foldersOf({ folders }: { readonly folders?: InputFolders | undefined }): InputFolders {
  return folders ?? [process.cwd()]
}

/**
 * Returns the options of an entry with the paths of files that are found only beside the definition made absolute. So
 * the definition means the same when it is written down elsewhere. Other paths stay: what a path means from the current
 * folder, it means for a colleague with the same folders, too.
 */
export function withFilesBeside(entry: StageEntry, stage: AnyStage, folders: InputFolders): Value {
  let options = entry.with
  for (const { steps, path } of inputsOf(optionSchema(stage.options), plain(options))) {
    const beside = folderOf(locate(options, steps).origin, entry)
    if (isAbsolute(path) || beside === undefined || foundIn(folders, path) !== undefined) continue
    const file = resolve(beside, path)
    if (existsSync(file)) options = replaced(options, steps, (leaf) => ({ ...leaf, data: file }))
  }
  return options
}

/** Returns the options of a node with relative paths as they are found in `folders`, for the stage to open. */
export function locatedOptions(stage: AnyStage, options: Record<string, unknown>, folders: InputFolders) {
  let located = options
  for (const { steps, path } of inputsOf(optionSchema(stage.options), options)) {
    const found = isAbsolute(path) ? undefined : foundIn(folders, path)
    if (found !== undefined && found !== path) located = withPath(located, steps, found) as Record<string, unknown>
  }
  return located
}

/** The path as it is found in the first of the folders that has it; in the current folder, as it is written. */
function foundIn(folders: InputFolders, path: string): string | undefined {
  const folder = folders.find((each) => existsSync(resolve(each, path)))
  if (folder === undefined) return undefined
  return resolve(folder) === process.cwd() ? path : resolve(folder, path)
}

/** The folder of the file that says a value; for a value from elsewhere, that of the file that names the stage. */
export function folderOf(origin: Origin, entry: StageEntry): string | undefined {
  if (origin.kind === 'file') return dirname(resolve(origin.file))
  if (origin.kind === 'environment') return folderOf(origin.at, entry)
  return entry.useOrigin.kind === 'file' ? entry.folder : undefined
}

/** A copy of the value in which the part at `steps` is changed. */
function replaced(value: Value, [step, ...rest]: readonly string[], change: (leaf: Value) => Value): Value {
  if (step === undefined) return change(value)
  if (isList(value))
    return { ...value, data: value.data.map((item, i) => (String(i) === step ? replaced(item, rest, change) : item)) }
  const inner = isMapping(value) ? value.data.get(step)?.value : undefined
  return inner ? withValue(value, [step], replaced(inner, rest, change)) : value
}

/** A copy of plain data in which the part at `steps` is another path. */
function withPath(data: unknown, [step, ...rest]: readonly string[], path: string): unknown {
  if (step === undefined) return path
  if (Array.isArray(data)) return data.map((item, i) => (String(i) === step ? withPath(item, rest, path) : item))
  return { ...(data as object), [step]: withPath((data as Record<string, unknown>)[step], rest, path) }
}
