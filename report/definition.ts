import { createHash } from 'node:crypto'
import { parse as parseYaml } from 'yaml'
import { fileReason, messageOf } from '../pipeline/base/errors.js'
import { checkDepth } from '../pipeline/base/json.js'
import { withVars } from '../pipeline/definition/interpolate.js'
import { type Published, publishedOf } from '../pipeline/definition/published.js'
import { idOf, mapping, type SettingValues, settingsOf, stagesOf } from '../pipeline/definition/settings.js'
import type { OptionChange } from '../pipeline/directory/configuration.js'
import { hasInside, readInside } from '../pipeline/files/inside.js'
import { changesOnTheWay } from './option-changes.js'
import type { StoredRecord } from './record.js'

/** The content of `pipeline.yaml` in a run directory. */
export interface RunText {
  /** The text. */
  readonly text: string
  /** The values that tell the run from others: its vars, and options (`id.option`) that refer to none. */
  readonly settings: SettingValues
  /** The stages, with the values of the vars in their options. */
  readonly stages: readonly StageUse[]
  /** The block `published`. */
  readonly published: Published | undefined
}

/** A stage of a pipeline, as its definition names it. */
export interface StageUse {
  /** The stage: `batch/rows`. */
  readonly use: string
  /** Its options. */
  readonly with: Readonly<{ [option: string]: unknown }>
}

/** The largest size of a definition, in bytes. */
const MAX_DEFINITION = 1 << 20

/**
 * Reads `pipeline.yaml` of a run directory. An option that was changed on the way has a text that tells all its values.
 *
 * @param changes of the options, as the record of the run has them
 * @param remarks gets what could not be read, in words
 */
export function readRunText(directory: string, changes: readonly OptionChange[], remarks: string[]): RunText {
  const text = textOf(directory, remarks)
  return { text, ...readDefinition(text, changes, remarks) }
}

/**
 * Reads the settings of a run, as `readRunText` does. Its record has them, so the definition is read as YAML, which takes
 * most of the time, only if the record is of an older version, or of another definition than the one that lies there.
 *
 * @param remarks gets what could not be read, in words
 */
export function readSettings(directory: string, record: StoredRecord, remarks: string[]): SettingValues {
  const text = textOf(directory, remarks)
  const { settings, definition, changes } = record
  if (settings && definition === createHash('sha256').update(text).digest('hex')) return withChanges(settings, changes)
  return readDefinition(text, changes, remarks).settings
}

function textOf(directory: string, remarks: string[]): string {
  if (!hasInside(directory, 'pipeline.yaml')) return ''
  try {
    return String(readInside(directory, 'pipeline.yaml', MAX_DEFINITION))
  } catch (error) {
    remarks.push(`pipeline.yaml cannot be read: ${fileReason(error)}`)
    return ''
  }
}

function readDefinition(text: string, changes: readonly OptionChange[], remarks: string[]): Omit<RunText, 'text'> {
  try {
    const data = checkDepth(parseYaml(text, { maxAliasCount: 0, uniqueKeys: false, logLevel: 'error' }) ?? {}) as {
      [key: string]: unknown
    }
    const published = publishedOf(data.published)
    if (data.published !== undefined && !published) remarks.push('the block "published" of pipeline.yaml is malformed')
    const vars = mapping(data.vars)
    const changed = new Map(changesOnTheWay(changes).map((change) => [change.option, change]))
    const stages = stagesOf(data.stages).map((stage) => stageUse(stage, vars, changed))
    return { settings: withChanges(settingsOf(data), changes), published, stages }
  } catch (error) {
    remarks.push(`pipeline.yaml cannot be read: ${messageOf(error)}`)
    return { settings: {}, stages: [], published: undefined }
  }
}

function stageUse(
  stage: SettingValues,
  vars: SettingValues,
  changed: ReadonlyMap<string, { readonly text: string }>,
): StageUse {
  const options = { ...mapping(withVars(mapping(stage.with), vars)) }
  for (const [option, { text }] of changed) {
    const [id, name] = [option.slice(0, option.indexOf('.')), option.slice(option.indexOf('.') + 1)]
    if (id === idOf(stage)) options[name] = text
  }
  return { use: String(stage.use), with: options }
}

/** The settings, with all values of options that were changed on the way. */
function withChanges(settings: SettingValues, changes: readonly OptionChange[]): SettingValues {
  const changed = changesOnTheWay(changes).map(({ option, var: name = option, text }) => [name, text])
  return { ...settings, ...Object.fromEntries(changed) }
}
