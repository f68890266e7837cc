import { parse } from 'yaml'
import { PipelineError } from '../../pipeline/base/errors.js'
import { defaultId } from '../../pipeline/definition/entries.js'
import { optionSchema } from '../../pipeline/definition/option-schema.js'
import type { CodeTrust } from '../../pipeline/definition/trust.js'
import { builtInStages, resolveStage } from '../../pipeline/graph/registry.js'
import type { Ports } from '../../pipeline/stage/port.js'
import type { AnyStage } from '../../pipeline/stage/stage.js'

/** Options by name. */
export type Options = Readonly<Record<string, unknown>>

/** A stage of a new pipeline. */
export interface NewEntry {
  /** As `use` names it. */
  readonly use: string
  /** The stage. */
  readonly stage: AnyStage
  /** Its name in the pipeline. */
  readonly id: string
  /** Its inputs, if they are not those of the stage above. */
  readonly from: string | Readonly<Record<string, string>> | undefined
  /** The options that are written down; all others have their defaults. */
  readonly with: Options
  /** True if the user did not name it: another stage needs it. */
  readonly isAdded: boolean
}

/** The usual makers of the wires that a user's stages may lack. */
const makers: Readonly<Record<string, string>> = {
  examples: 'load/digits',
  batch: 'batch/rows',
  parameters: 'gradient-step/softmax',
  metrics: 'evaluate/classification',
  'gradient-check': 'check/gradient',
}

/**
 * Joins stages to a pipeline: each input is fed by the nearest output of its type above, and stages that are missing on the
 * way are added. Options that are required are those of the example of the stage. Throws a PipelineError `DEFINITION` if there is
 * no such stage.
 *
 * @param given options of stages, by what `use` says
 */
export async function wired(
  names: readonly string[],
  given: Readonly<Record<string, Options>> = {},
  trust?: CodeTrust,
): Promise<NewEntry[]> {
  const built = await builtInStages()
  const entries: NewEntry[] = []
  /** The nearest output of each type, as `from` names it. */
  const nearest = new Map<string, string>()

  async function add(use: string, isAdded: boolean): Promise<void> {
    const stage = await resolveStage(use, process.cwd(), trust)
    const from = await inputsOf(stage)
    if (stage.name.startsWith('split/')) leaveToSplit(entries)
    const id = idOf(use, stage, entries)
    entries.push({ use, stage, id, from, with: optionsOf(use, stage, given[use] ?? {}), isAdded })
    const outputs = Object.entries(stage.outputs as Ports)
    for (const [port, { type }] of outputs) nearest.set(type, outputs.length === 1 ? id : `${id}.${port}`)
  }

  async function inputsOf(stage: AnyStage): Promise<NewEntry['from']> {
    const inputs = Object.entries(stage.inputs as Ports)
    const sources: [string, string][] = []
    for (const [port, { type }] of inputs) sources.push([port, await sourceOf(type)])
    if (sources.length !== 1) return sources.length === 0 ? undefined : Object.fromEntries(sources)
    const above = entries.findLast((entry) => Object.keys(entry.stage.outputs).length > 0)
    return sources[0]![1] === above?.id ? undefined : sources[0]![1]
  }

  async function sourceOf(type: string): Promise<string> {
    if (type === 'any') {
      const above = entries.findLast((entry) => Object.keys(entry.stage.outputs).length > 0)
      const [port] = Object.keys(above?.stage.outputs ?? {})
      if (above) return Object.keys(above.stage.outputs).length === 1 ? above.id : `${above.id}.${port}`
      return sourceOf('examples')
    }
    const found = nearest.get(type)
    if (found !== undefined) return found
    const maker = makers[type] ?? [...built.values()].find((each) => typesOf(each.outputs).includes(type))?.name
    if (maker === undefined)
      throw new PipelineError(
        'DEFINITION',
        `no built-in stage makes a "${type}" wire; name the stage that does, before the one that needs it`,
      )
    await add(maker, true)
    return nearest.get(type)!
  }

  for (const use of names) await add(use, false)
  return entries
}

/** A stage behind the load divides the rows, so the load must not: all rows are its first split. */
function leaveToSplit(entries: NewEntry[]): void {
  const at = entries.findIndex(({ stage }) => Object.keys(stage.inputs).length === 0)
  const load = entries[at]
  if (!load || !Object.hasOwn(optionSchema(load.stage.options).properties ?? {}, 'fractions')) return
  entries[at] = { ...load, with: { ...load.with, fractions: { train: 1 } } }
}

function typesOf(ports: Ports): string[] {
  return Object.values(ports).map(({ type }) => type)
}

/** The id of a stage: `model` and `metrics` for what makes them, as in the pipelines that come with Millrace. */
function idOf(use: string, { inputs, outputs }: AnyStage, others: readonly NewEntry[]): string {
  const usual = typesOf(outputs).includes('metrics')
    ? 'metrics'
    : typesOf(outputs).includes('parameters') && typesOf(inputs).includes('batch')
      ? 'model'
      : undefined
  if (usual !== undefined && others.every(({ id }) => id !== usual)) return usual
  const taken = others.map((entry) => ({ ...entry }) as never)
  const id = defaultId(use, taken)
  if (others.every((other) => other.id !== id)) return id
  for (let number = 2; ; number++) if (others.every((other) => other.id !== `${id}-${number}`)) return `${id}-${number}`
}

/** The options to write down: those that are given, and as many of the example as the stage needs to be sound. */
function optionsOf(use: string, stage: AnyStage, given: Options): Options {
  const { required = [] } = optionSchema(stage.options)
  const example = exampleOptions(use, stage)
  const chosen: Record<string, unknown> = { ...given }
  for (const name of required)
    if (!Object.hasOwn(chosen, name) && Object.hasOwn(example, name)) chosen[name] = example[name]
  for (const [name, value] of Object.entries(example)) {
    if (stage.options.safeParse(chosen).success) break
    if (!Object.hasOwn(chosen, name)) chosen[name] = value
  }
  return chosen
}

/** The options in the example of a stage; none if it has no example that can be read. */
function exampleOptions(use: string, stage: AnyStage): Options {
  try {
    const entries = parse(stage.example)
    const entry = Array.isArray(entries) ? entries.find((each) => [use, stage.name].includes(each?.use)) : undefined
    return entry?.with ?? {}
  } catch {
    return {}
  }
}
