/** What the server and the page of the dashboard tell each other. Numbers that JSON lacks are texts: `NaN`, `Infinity`. */

/** More curves are not drawn at the same time. */
export const MOST_CURVES = 50

/** A number, or its name if JSON has none for it. */
export type Value = number | string

/** A row of the table of runs. */
export interface RunSummary {
  /** The name of the run in addresses. It stays when the server starts anew. */
  readonly id: string
  /** The directory, as short as the user would write it. */
  readonly path: string
  /** The name of the pipeline. */
  readonly name: string
  /** How far the run is: `done`, `running`, `failed`, `interrupted`, `missing`, `ended early`. */
  readonly status: string
  /** Why it failed. */
  readonly error?: string | undefined
  /** The seed. */
  readonly seed: number
  /** The fold that is held out, from 1. */
  readonly fold?: number | undefined
  /** The directory of the sweep that the run is a point of. */
  readonly sweep?: string | undefined
  /** When it started, in ISO 8601. */
  readonly started?: string | undefined
  /** How long it took, in seconds. */
  readonly seconds?: number | undefined
  /** The values that tell it from others. */
  readonly settings: Readonly<Record<string, unknown>>
  /** The last evaluation, with `epoch` and `step`. */
  readonly final: Readonly<Record<string, Value>>
  /** The tags that the user gave it. */
  readonly tags: readonly string[]
  /** What the user noted. */
  readonly note?: string | undefined
}

/** Event `runs`: what changed in the list. */
export interface RunsEvent {
  /** The state of the list after this change; the page gives it back when it connects again. */
  readonly version: string
  /** True if the page forgets the runs that it knows. */
  readonly isWhole: boolean
  /** True if the first look at all directories is over. */
  readonly isComplete: boolean
  /** New runs and changed ones. */
  readonly changed: readonly RunSummary[]
  /** The ids of runs that are gone. */
  readonly removed: readonly string[]
}

/** Event `metrics`: rows of the metrics of one run. */
export interface MetricsEvent {
  /** The id of the run. */
  readonly run: string
  /** True if the page forgets the rows that it has. */
  readonly isReset: boolean
  /** The names of the columns. */
  readonly columns: readonly string[]
  /** The number of each row in the file, from 0. */
  readonly numbers: readonly number[]
  /** The rows. */
  readonly rows: readonly (readonly Value[])[]
  /** The bytes of the file that are read, and all that it has. */
  readonly read: readonly [done: number, all: number]
}

/** Event `live`: what goes on in the run that the page looks at. */
export interface LiveEvent {
  /** The id of the run. */
  readonly run: string
  /** The stage that takes most of the time. */
  readonly bottleneck?: string | undefined
  /** The part of the last second that each stage worked, and the tables that it has. */
  readonly stages: readonly { readonly id: string; readonly share: number; readonly inFlight: number }[]
  /** What goes through each output, `model.parameters`. */
  readonly wires: readonly { readonly id: string; readonly rowsPerSecond: number; readonly tablesPerSecond: number }[]
}

/** A file of a run. */
export interface RunFile {
  /** Its path below the run directory. */
  readonly name: string
  /** Its size. */
  readonly bytes: number
  /** Changes when the file does. */
  readonly version: string
}

/** A table of text. */
export interface TextTable {
  /** The names of the columns. */
  readonly columns: readonly string[]
  /** The cells. */
  readonly rows: readonly (readonly string[])[]
}

/** A stage of the graph. */
export interface GraphStage {
  /** Its name in the pipeline. */
  readonly id: string
  /** What it is. */
  readonly use: string
  /** What is known of its outputs, in words. */
  readonly known: readonly string[]
}

/** A wire of the graph. */
export interface GraphWire {
  /** The id of the stage that emits. */
  readonly from: string
  /** Its output. */
  readonly output: string
  /** The id of the stage that reads. */
  readonly to: string
  /** What goes through it. */
  readonly type: string
}

/** Everything about one run but its curves. */
export interface RunDetail {
  /** The row of the table. */
  readonly summary: RunSummary
  /** Facts about the run by name, in words. */
  readonly facts: readonly (readonly [name: string, value: string])[]
  /** The notes of the stages. */
  readonly notes: readonly string[]
  /** The text of `pipeline.yaml`. */
  readonly definition: string
  /** The pipeline. */
  readonly graph: { readonly stages: readonly GraphStage[]; readonly wires: readonly GraphWire[] }
  /** The files that can be downloaded. */
  readonly files: readonly RunFile[]
  /** The confusion matrix. */
  readonly confusion?: TextTable | undefined
  /** The rows that the model is most sure of. */
  readonly predictions?: TextTable | undefined
  /** What could not be read. */
  readonly remarks: readonly string[]
}

/** What differs, and its values in the first run and in the second. */
export type DifferenceRow = readonly [what: string, first: string, second: string]

/** The difference of two runs. */
export interface RunDifference {
  /** The groups: definition, data, environment, metrics. */
  readonly groups: readonly {
    /** What the group is about. */
    readonly title: string
    /** What differs. */
    readonly rows: readonly DifferenceRow[]
  }[]
  /** Files that differ, and what could not be read, in words. */
  readonly remarks: readonly string[]
}
