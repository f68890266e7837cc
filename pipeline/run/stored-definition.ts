import { type SettingValues, settingsOf } from '../definition/settings.js'
import { MAX_DEFINITION } from '../files/limits.js'
import type { Pipeline } from '../graph/pipeline.js'

/**
 * The text of the run's `pipeline.yaml`.
 *
 * @param base the folder that its stage files are named from
 * @param isChanged true if the run did not have these options for all of its steps
 */
export function definitionText(pipeline: Pipeline, base: string, isChanged = false): string {
  return storedDefinition(pipeline, base, isChanged).text
}

/** What `definitionText` returns, and the settings in it. */
export function storedDefinition(
  pipeline: Pipeline,
  base: string,
  isChanged: boolean,
): { readonly text: string; readonly settings: SettingValues } {
  const document = pipeline.toDocument({ allowObjects: true, base })
  const data = document.toJS() as { readonly stages: readonly { readonly use: string }[] }
  const { stages } = data
  const isElsewhere = stages.some(({ use }) => use.startsWith('../'))
  document.commentBefore =
    (isChanged
      ? ' As it ran at last; "changes" in run.json says what was changed on the way. millrace run pipeline.yaml\n' +
        ' runs all of it as it is here, --set with other values'
      : ' As it ran: millrace run pipeline.yaml runs it again, --set with other values') +
    (isElsewhere ? ',\n with the folder of its stage files behind --plugins.' : '.')
  return { text: String(document), settings: settingsOf(data) }
}

/** What a definition that is longer than those that are read means for its run; undefined if it is not. */
export function lengthRemark(text: string): string | undefined {
  const bytes = Buffer.byteLength(text)
  if (bytes <= MAX_DEFINITION) return undefined
  return (
    `pipeline.yaml has ${bytes} bytes, and definitions of at most ${MAX_DEFINITION} are read: ` +
    'resume, rerun and report cannot read it; make it shorter, for example with files in place of long lists'
  )
}
