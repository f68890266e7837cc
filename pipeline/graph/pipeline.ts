import { relative, resolve } from 'node:path'
import { Document, isMap, type YAMLMap } from 'yaml'
import { inFileOrder, messageOf, PipelineError, type Problem } from '../base/errors.js'
import type { TrainingInterval } from '../base/every.js'
import { didYouMean, suggestion } from '../base/nearest.js'
import { formatCheckpointRule, readCheckpointRule } from '../definition/checkpoint.js'
import { defaultId, type StageEntry } from '../definition/entries.js'
import { parallelOf } from '../definition/parallel.js'
import { checkPublished } from '../definition/published.js'
import {
  type Definition,
  DefinitionProblems,
  type DefinitionSource,
  nameOf,
  type ReadOptions,
  readDefinition,
  seedOf,
} from '../definition/read.js'
import { serialise, serialiseVars } from '../definition/serialise.js'
import { decideTrust, type Trust } from '../definition/trust.js'
import { entriesOf, formatOrigin, type Origin, plain, type Value, valueFrom } from '../definition/value.js'
import { type AnyStage, isStage } from '../stage/stage.js'
import { buildGraph, type Graph } from './graph.js'
import { builtInStages, isFile, type Registry, resolveStage } from './registry.js'

/** A stage in a pipeline made in code: `use` is a stage, or the name of one as in YAML. */
export interface StageSpec {
  readonly use: AnyStage | string
  readonly id?: string
  readonly with?: Readonly<Record<string, unknown>>
  readonly from?: string | Readonly<Record<string, string>>
}

export interface PipelineSpec extends Pick<Trust, 'allowAbsolutePaths'> {
  readonly name: string
  readonly seed?: number
  readonly description?: string
  /** When to make checkpoints and how many to keep, as in YAML. */
  readonly checkpoint?: 'none' | { readonly every?: string | TrainingInterval; readonly keep?: number }
  /** What others found, for reports to compare with: `source`, and `{ value, tolerance, … }` by metric. */
  readonly published?: Readonly<Record<string, unknown>>
  /** How the run is divided among processes: `{ engine, ranks, shards, mode, timeout }`. */
  readonly parallel?: Readonly<Record<string, unknown>>
  readonly stages: readonly StageSpec[]
}

const code: Origin = { kind: 'code' }

/**
 * A checked pipeline. It never changes: `replace`, `insertAfter`, `remove` and `set` return a new one, checked again,
 * and throw a PipelineError with every problem if it would not be sound.
 */
export class Pipeline {
  readonly definition: Definition
  readonly graph: Graph
  private readonly stages: ReadonlyMap<StageEntry, AnyStage>
  private readonly registry: Registry

  private constructor(
    definition: Definition,
    stages: ReadonlyMap<StageEntry, AnyStage>,
    registry: Registry,
    found: readonly Problem[],
  ) {
    const problems = [...found]
    this.definition = definition
    this.stages = stages
    this.registry = registry
    this.graph = buildGraph(definition, stages, problems)
    if (problems.length > 0) throw new PipelineError('DEFINITION', inFileOrder(problems))
  }

  /**
   * Reads a pipeline from a YAML file or the built-in ones, with overrides as `--set` takes them.
   * Throws a PipelineError that lists all problems, each with its place.
   */
  static async load(file: string | DefinitionSource, options: ReadOptions = {}): Promise<Pipeline> {
    const registry = await builtInStages()
    const problems: Problem[] = []
    let definition: Definition
    try {
      definition = readDefinition(file, options)
    } catch (error) {
      if (!(error instanceof DefinitionProblems)) throw error
      definition = error.definition
      problems.push(...error.problems)
    }
    return Pipeline.resolved(definition, registry, problems)
  }

  /** Makes a pipeline in code. Same checks, same errors; places read `code`. */
  static async define(spec: PipelineSpec): Promise<Pipeline> {
    const registry = await builtInStages()
    const problems: Problem[] = []
    const given = new Map<StageEntry, AnyStage>()
    const stages: StageEntry[] = []
    for (const stage of spec.stages) stages.push(entryFrom(stage, stages, given))
    const published = spec.published && valueFrom(spec.published, code)
    if (published) checkPublished(published, problems)
    const parallelValue = spec.parallel && valueFrom(spec.parallel, code)
    const definition: Definition = {
      name: nameOf(valueFrom(spec.name, code), '', problems),
      description: spec.description,
      seed: seedOf(valueFrom(spec.seed ?? 0, code), problems),
      seedOrigin: code,
      vars: new Map(),
      checkpoint: readCheckpointRule(spec.checkpoint && valueFrom(spec.checkpoint, code), problems),
      published,
      parallel: parallelOf(parallelValue, problems),
      parallelValue,
      stages,
      trust: decideTrust({ allowAbsolutePaths: spec.allowAbsolutePaths }),
    }
    return Pipeline.resolved(definition, registry, problems, given)
  }

  private static async resolved(
    definition: Definition,
    registry: Registry,
    found: Problem[],
    given = new Map<StageEntry, AnyStage>(),
  ): Promise<Pipeline> {
    const stages = new Map(given)
    for (const [i, entry] of definition.stages.entries()) {
      if (stages.has(entry) || entry.useOrigin.kind === 'unresolved') continue
      try {
        // What the command line or a program says about code is said by the user.
        const isOwn = entry.useOrigin.kind === 'set' || entry.useOrigin.kind === 'code'
        const trust = isOwn && definition.trust.plugins !== false ? undefined : definition.trust
        stages.set(entry, await resolveStage(entry.use, entry.folder, trust))
      } catch (error) {
        found.push({ where: formatOrigin(entry.useOrigin), message: `stages[${i}]: ${messageOf(error)}` })
      }
    }
    return new Pipeline(definition, stages, registry, found)
  }

  get name(): string {
    return this.definition.name
  }

  get seed(): number {
    return this.definition.seed
  }

  /** Puts another stage in the place of the one with this id; id and wires stay, options are the given ones. */
  replace(id: string, use: AnyStage | string, options?: Readonly<Record<string, unknown>>): Pipeline {
    const old = this.definition.stages[this.indexOf(id)]!
    const from = old.from && (plain(old.from) as string | Record<string, string>)
    return this.changed((stages, make) => {
      stages[this.indexOf(id)] = make({ use, id, ...(options && { with: options }), ...(from && { from }) })
    })
  }

  /** Puts a stage after the one with this id. */
  insertAfter(id: string, stage: StageSpec): Pipeline {
    return this.changed((stages, make) => {
      stages.splice(this.indexOf(id) + 1, 0, make(stage))
    })
  }

  /** Takes a stage out. */
  remove(id: string): Pipeline {
    return this.changed((stages) => {
      stages.splice(this.indexOf(id), 1)
    })
  }

  /** The same pipeline, run by one process on undivided data. */
  undivided(): Pipeline {
    const definition = { ...this.definition, parallel: undefined, parallelValue: undefined }
    return new Pipeline(definition, this.stages, this.registry, [])
  }

  /** Changes options of the stage with this id; the others stay. */
  set(id: string, options: Readonly<Record<string, unknown>>): Pipeline {
    const old = this.definition.stages[this.indexOf(id)]!
    const all = new Map([...entriesOf(old.with), ...entriesOf(optionsFrom(options))])
    for (const [name, value] of Object.entries(options)) if (value === undefined) all.delete(name)
    const stages = [...this.definition.stages]
    const entry = { ...old, with: { ...old.with, data: all } }
    stages[this.indexOf(id)] = entry
    const known = new Map(this.stages)
    known.set(entry, this.stages.get(old)!)
    return new Pipeline({ ...this.definition, stages }, known, this.registry, [])
  }

  /**
   * The pipeline as YAML that `load` reads back, with the vars that options still refer to, so that `--set` changes them
   * again; all other references are resolved. Stage files are named as seen from the folder `base`.
   * Throws where a stage has no name to write: one that was given as an object.
   */
  toYAML(base = process.cwd()): string {
    return String(this.toDocument({ base }))
  }

  /** The same as a document whose values can be commented; without any vars, if it is to be `resolved`. */
  toDocument({ allowObjects = false, base = process.cwd(), resolved = false } = {}): Document<YAMLMap> {
    const { name, description, seed, seedReference, published, parallelValue, stages } = this.definition
    const vars = resolved ? {} : serialiseVars(this.definition)
    const checkpoint = formatCheckpointRule(this.definition.checkpoint)
    const document = new Document({
      name,
      ...(description !== undefined && { description }),
      seed: seedReference === undefined || resolved ? seed : `\${${seedReference}}`,
      ...(Object.keys(vars).length > 0 && { vars }),
      ...(checkpoint && { checkpoint }),
      ...(published && { published: plain(published) }),
      ...(parallelValue && { parallel: plain(parallelValue) }),
      stages: stages.map((entry) => this.writable(entry, allowObjects, base, resolved)),
    }) as unknown as Document<YAMLMap>
    if (!isMap(document.contents)) throw new PipelineError('INTERNAL', 'the definition did not become a mapping')
    return document
  }

  private writable(entry: StageEntry, allowObjects: boolean, base: string, resolved: boolean): Record<string, unknown> {
    const stage = this.stages.get(entry)
    const isNamed =
      entry.folder !== '' &&
      (isFile(entry.use) || this.registry.get(entry.use) === stage || !this.registry.has(entry.use))
    if (!isNamed && !allowObjects)
      throw new PipelineError(
        'ARGUMENTS',
        `the stage "${entry.id}" (${entry.use}) was given as an object and cannot be written as YAML; put it into a file and use "./file.js"`,
      )
    const options = serialise(entry.with, resolved) as Record<string, unknown>
    return {
      ...(entry.id !== defaultId(entry.use) && { id: entry.id }),
      use: isFile(entry.use) ? localPath(base, resolve(entry.folder, entry.use)) : entry.use,
      ...(entry.from && { from: serialise(entry.from, resolved) }),
      ...(Object.keys(options).length > 0 && { with: options }),
    }
  }

  private changed(change: (stages: StageEntry[], make: (spec: StageSpec) => StageEntry) => void): Pipeline {
    const known = new Map(this.stages)
    const stages = [...this.definition.stages]
    const problems: Problem[] = []
    change(stages, (spec) => {
      const entry = entryFrom(spec, stages, known)
      const stage = this.registry.get(entry.use)
      if (known.has(entry)) return entry
      if (stage) known.set(entry, stage)
      else
        problems.push({
          where: 'code',
          message: isFile(entry.use)
            ? `${entry.use} is a file; import it and give the stage itself`
            : `no stage named "${entry.use}"${didYouMean(entry.use, this.registry.keys())}`,
        })
      return entry
    })
    return new Pipeline({ ...this.definition, stages }, known, this.registry, problems)
  }

  private indexOf(id: string): number {
    const ids = this.definition.stages.map((stage) => stage.id)
    const at = ids.indexOf(id)
    if (at < 0) throw new PipelineError('ARGUMENTS', `no stage with id "${id}"${suggestion(id, ids, 'ids')}`)
    return at
  }
}

/** `./file.js` or `../file.js`, as a definition in the folder `base` would name it. */
function localPath(base: string, file: string): string {
  const path = relative(base, file).replaceAll('\\', '/')
  return path.startsWith('.') ? path : `./${path}`
}

function entryFrom(spec: StageSpec, others: readonly StageEntry[], given: Map<StageEntry, AnyStage>): StageEntry {
  if (typeof spec.use !== 'string' && !isStage(spec.use))
    throw new PipelineError('ARGUMENTS', 'use: expected the name of a stage, or what defineStage() returns')
  const use = typeof spec.use === 'string' ? spec.use : spec.use.name
  const entry: StageEntry = {
    id: spec.id ?? defaultId(use, others),
    use,
    with: optionsFrom(spec.with ?? {}),
    from: spec.from === undefined ? undefined : valueFrom(spec.from, code),
    origin: code,
    idOrigin: code,
    useOrigin: code,
    folder: typeof spec.use === 'string' ? process.cwd() : '',
  }
  if (typeof spec.use !== 'string') given.set(entry, spec.use)
  return entry
}

function optionsFrom(options: Readonly<Record<string, unknown>>): Value {
  try {
    return valueFrom(options, code)
  } catch (error) {
    throw new PipelineError('ARGUMENTS', `with: ${messageOf(error)}`)
  }
}
