import type { Document, YAMLMap } from 'yaml'
import { inFileOrder, messageOf, PipelineError, type Problem } from '../base/errors.js'
import { didYouMean, suggestion } from '../base/nearest.js'
import type { StageEntry } from '../definition/entries.js'
import {
  type Definition,
  DefinitionProblems,
  type DefinitionSource,
  type ReadOptions,
  readDefinition,
} from '../definition/read.js'
import { entriesOf, formatOrigin, plain } from '../definition/value.js'
import type { AnyStage } from '../stage/stage.js'
import type { MetricsRow } from '../wires/metrics.js'
import { type DocumentOptions, documentOf } from './document.js'
import { definitionFrom, entryFrom, optionsFrom } from './entry.js'
import { buildGraph } from './graph.js'
import { foldersOf } from './input-files.js'
import type { Graph } from './node.js'
import { entriesOfPart, type Part } from './part.js'
import { builtInStages, isFile, type Registry, resolveStage } from './registry.js'
import { settle } from './settled.js'
import type { Inferred, OptionsArgument, OptionsOf, PipelineSpec, RowOf, RowOfOptions, StageSpec } from './spec.js'
import { unknownVars } from './unknown-vars.js'

/**
 * A checked pipeline. It never changes: `replace`, `insertAfter`, `remove` and `set` return a new, checked pipeline.
 * They throw a PipelineError that lists all problems if the new pipeline has any.
 *
 * `Row` is the type of its rows of metrics. TypeScript knows which metrics there are if all stages are objects.
 * Else a row has any metric. With several evaluations, `Row` is a union of their rows: `'test_loss' in row` narrows it.
 */
export class Pipeline<out Row extends MetricsRow = MetricsRow> {
  /**
   * What was read, with the positions of all values.
   *
   * @internal
   */
  readonly definition: Definition
  /**
   * The stages, connected.
   *
   * @internal
   */
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
   * Reads a pipeline from a YAML file, or a built-in one by its name. `options.set` takes overrides as `--set` does.
   * Rejects with a PipelineError that lists all problems, each with its position.
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
      problems.push(...error.found)
    }
    return Pipeline.resolved(definition, registry, problems)
  }

  /** Makes a pipeline in code. The checks and errors are those of `load`; the position of a problem is `code`. */
  static async define<const Stages extends readonly StageSpec[]>(
    spec: PipelineSpec<Stages>,
  ): Promise<Pipeline<RowOf<Stages[number]>>> {
    const registry = await builtInStages()
    const problems: Problem[] = []
    const given = new Map<StageEntry, AnyStage>()
    const definition = definitionFrom(spec as unknown as PipelineSpec, given, problems)
    return Pipeline.resolved(definition, registry, problems, given)
  }

  private static async resolved<Row extends MetricsRow>(
    definition: Definition,
    registry: Registry,
    found: Problem[],
    given = new Map<StageEntry, AnyStage>(),
  ): Promise<Pipeline<Row>> {
    const stages = new Map(given)
    for (const [i, entry] of definition.stages.entries()) {
      if (stages.has(entry) || entry.useOrigin.kind === 'unresolved') continue
      try {
        // The user wrote this name, on the command line or in a program, so its code is trusted.
        const isOwn = entry.useOrigin.kind === 'set' || entry.useOrigin.kind === 'code'
        const trust = isOwn && definition.trust.plugins !== false ? undefined : definition.trust
        stages.set(entry, await resolveStage(entry.use, entry.folder, trust))
      } catch (error) {
        found.push({ where: formatOrigin(entry.useOrigin), message: `stages[${i}]: ${messageOf(error)}` })
      }
    }
    found.push(...unknownVars(definition, stages))
    const settled = settle({ definition, stages })
    return new Pipeline(settled.definition, settled.stages, registry, found)
  }

  /** The name of the definition, which also names run directories. */
  get name(): string {
    return this.definition.name
  }

  /** The seed of all random streams. */
  get seed(): number {
    return this.definition.seed
  }

  /** The seed of the division of data into splits: the one in the definition, also if the run has another. */
  get splitSeed(): number {
    return this.definition.splitSeed
  }

  /** Replaces the stage with this id. The new stage keeps the id and the wires, and has only the options given here. */
  replace<const Use extends AnyStage | string, const Given extends readonly [options?: unknown]>(
    id: string,
    use: Use,
    ...[options]: Inferred<Given, OptionsArgument<OptionsOf<Use>>>
  ): Pipeline<Row | RowOf<{ readonly use: Use; readonly with: Given[0] }>> {
    const old = this.definition.stages[this.indexOf(id)]!
    const from = old.from && (plain(old.from) as string | Record<string, string>)
    return this.changed((stages, make) => {
      stages[this.indexOf(id)] = make({ use, id, ...(options && { with: options }), ...(from && { from }) })
    })
  }

  /** Inserts a stage after the one with this id. */
  insertAfter<const Spec extends StageSpec>(
    id: string,
    stage: Inferred<Spec, StageSpec<Spec['use']>>,
  ): Pipeline<Row | RowOf<Spec>> {
    return this.changed((stages, make) => {
      stages.splice(this.indexOf(id) + 1, 0, make(stage as StageSpec))
    })
  }

  /** Removes the stage with this id. */
  remove(id: string): Pipeline<Row> {
    return this.changed((stages) => {
      stages.splice(this.indexOf(id), 1)
    })
  }

  /** Returns the same pipeline for one process, without its block `parallel`. */
  undivided(): Pipeline<Row> {
    const definition = { ...this.definition, parallel: undefined, parallelValue: undefined }
    return new Pipeline(definition, this.stages, this.registry, [])
  }

  /**
   * Returns a part of the pipeline, with stages that feed and watch it. It runs in one process.
   *
   * @internal
   */
  part(part: Part): Pipeline {
    const { definition, graph } = this
    const known = entriesOfPart(this.stages, definition.stages, graph, part, foldersOf(definition))
    const own = { ...definition, stages: [...known.keys()], parallel: undefined, parallelValue: undefined }
    return new Pipeline(own, known, this.registry, [])
  }

  /** Changes options of the stage with this id. The other options stay; `undefined` removes an option. */
  set<const Options extends Readonly<Record<string, unknown>>>(
    id: string,
    options: Options,
  ): Pipeline<Row | RowOfOptions<Options>> {
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
   * Returns the pipeline as YAML that `load` reads. It keeps the vars that options refer to, so that `--set` can change
   * them; other references are resolved. The paths of stage files are relative to the folder `base`.
   * Throws a PipelineError `ARGUMENTS` if a stage of a user was given as an object: `load` would not find its name.
   */
  toYAML(base = process.cwd()): string {
    return String(this.toDocument({ base }))
  }

  /** Returns what `toYAML` writes as a document, to which comments can be added. */
  toDocument(options: DocumentOptions = {}): Document<YAMLMap> {
    return documentOf(this.definition, (entry) => this.isNamed(entry), options)
  }

  /** Whether `load` finds the stage by what `use` says. */
  private isNamed(entry: StageEntry): boolean {
    const { use, folder } = entry
    if (this.registry.has(use)) return this.registry.get(use) === this.stages.get(entry)
    // A stage given as an object has no folder.
    return folder !== ''
  }

  private changed<NewRow extends MetricsRow>(
    change: (stages: StageEntry[], make: (spec: StageSpec) => StageEntry) => void,
  ): Pipeline<NewRow> {
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
    const index = ids.indexOf(id)
    if (index < 0) throw new PipelineError('ARGUMENTS', `no stage with id "${id}"${suggestion(id, ids, 'ids')}`)
    return index
  }
}
