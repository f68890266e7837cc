import { defaultId } from './entries.js'

/** What tells a run from others of its kind, by name: its vars, and the options (`id.option`) that refer to none. */
export type SettingValues = Readonly<Record<string, unknown>>

/** Reads the settings of a definition that is plain data, as YAML gives it. What is malformed has none. */
export function settingsOf({ vars, stages }: { readonly vars?: unknown; readonly stages?: unknown }): SettingValues {
  return { ...mapping(vars), ...Object.fromEntries(stagesOf(stages).flatMap(ownOptions)) }
}

/** The stages of a definition that is plain data. What is no mapping is left out. */
export function stagesOf(stages: unknown): readonly Readonly<Record<string, unknown>>[] {
  return (Array.isArray(stages) ? stages : []).filter((stage) => stage !== null && typeof stage === 'object')
}

/** The id of a stage of a definition that is plain data. */
export function idOf({ id, use }: Readonly<Record<string, unknown>>): string {
  return id === undefined ? defaultId(String(use)) : String(id)
}

/** A value as a mapping; one that is none is empty. */
export function mapping(value: unknown): Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' ? (value as Readonly<Record<string, unknown>>) : {}
}

function ownOptions(stage: Readonly<Record<string, unknown>>): [name: string, value: unknown][] {
  const id = idOf(stage)
  const options = Object.entries(mapping(stage.with)).filter(([, value]) => !JSON.stringify(value)?.includes('${'))
  return [[`${id}.use`, stage.use], ...options.map(([name, value]): [string, unknown] => [`${id}.${name}`, value])]
}

/** The settings, if JSON can hold them: it has no infinite numbers. */
export function settingsAsJson(settings: SettingValues): SettingValues | undefined {
  const isLost = (value: unknown): boolean =>
    typeof value === 'number' ? !Number.isFinite(value) : Object.values(mapping(value)).some(isLost)
  return isLost(settings) ? undefined : settings
}
