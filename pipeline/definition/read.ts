import { basename } from 'node:path'
import { z } from 'zod'
import { inFileOrder, PipelineError, type Problem } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { hasControls } from '../base/plain-text.js'
import { show } from '../base/words.js'
import { type CheckpointRule, readCheckpointRule } from './checkpoint.js'
import { type StageEntry, stageEntries } from './entries.js'
import { findDefinition } from './find.js'
import { readWithInherited } from './inherit.js'
import { createInterpolator } from './interpolate.js'
import { memoryOf } from './memory.js'
import { applyOverride, type Override, parseOverrides } from './overrides.js'
import { type ParallelOptions, parallelOf, withParallelReadings } from './parallel.js'
import { withReadings } from './readings.js'
import { type DecidedTrust, decideTrust, type Trust } from './trust.js'
import {
  entriesOf,
  exactnessNote,
  formatOrigin,
  isResolved,
  type Origin,
  showValue,
  type Value,
  valueFrom,
  withValue,
} from './value.js'

/** A pipeline definition, read and resolved. */
export interface Definition {
  /** The name of the pipeline. Its run directories have the slug of it (`slugOf`). */
  readonly name: string
  /** A sentence about the pipeline, for users. */
  readonly description: string | undefined
  /** The seed of all random numbers. */
  readonly seed: number
  /** The seed of the division of data into splits. Default: the seed as the file says it, without overrides. */
  readonly splitSeed: number
  /** Where the seed comes from. */
  readonly seedOrigin: Origin
  /** The var that the seed is taken from, if there is one. */
  readonly seedReference?: string | undefined
  /** The vars, resolved, by name. */
  readonly vars: ReadonlyMap<string, Value>
  /** When checkpoints are written, and how many are kept. */
  readonly checkpoint: CheckpointRule
  /** The most memory that the stages take for rows, in bytes; undefined: no limit. */
  readonly memory?: number | undefined
  /** The block `published:`, unchanged: results of others, which reports compare with. */
  readonly published: Value | undefined
  /** How the run is divided among processes, or undefined if it is not divided. */
  readonly parallel: ParallelOptions | undefined
  /** The block `parallel:` with its positions. */
  readonly parallelValue: Value | undefined
  /** The block `sweep:`, unchanged. A single run ignores it. */
  readonly sweep?: Value | undefined
  /** The stages, in their order. */
  readonly stages: readonly StageEntry[]
  /** Overrides of vars that the definition does not have: mistakes, which the graph reports. */
  readonly unknown?: readonly Override[]
  /** As in `ReadOptions`. */
  readonly folders?: readonly string[] | undefined
  /** The path of the file; undefined if a program made the definition. */
  readonly file?: string
  /** What the definition is allowed to do. */
  readonly trust: DecidedTrust
}

/** How a definition is read. */
export interface ReadOptions extends Trust {
  /** Overrides: each is `var=value`, `seed=value`, `splitSeed=value` or `stage.option=value`. Later ones win. */
  readonly set?: readonly (string | Override)[]
  /** The seed. It wins over the definition and over `set`. */
  readonly seed?: number | undefined
  /**
   * The folders in which relative paths of data are looked for, before that of the definition. Default: the current one.
   */
  readonly folders?: readonly string[] | undefined
  /** The environment variables that `${NAME}` may refer to. Default: `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /**
   * The directory of the run of which this is the definition, as Millrace wrote it. It extends no file. Its stage files
   * may lie anywhere but in the directory of a run or sweep, or only in the folder that `plugins` names.
   */
  readonly runDirectory?: string | undefined
}

/** The longest name, in characters. */
const MAX_NAME = 100

/**
 * A definition file, joined with the files that it extends. It is not resolved, so that it can be resolved repeatedly.
 */
export interface DefinitionSource {
  /** The path of the file. */
  readonly path: string
  /** The values by top-level key. */
  readonly values: ReadonlyMap<string, Value>
  /** Mistakes found so far. */
  readonly problems: readonly Problem[]
}

/**
 * Finds and reads a definition, joined with the files that it extends. Throws a PipelineError `DEFINITION` if a file is
 * missing or malformed.
 *
 * @param alone says, in a message, what definition this is if it may extend no file
 */
export function openDefinition(file: string, alone?: string): DefinitionSource {
  const path = findDefinition(file)
  const problems: Problem[] = []
  return { path, values: readWithInherited(path, [], problems, alone), problems }
}

/** Reads and resolves a definition. Throws a PipelineError that lists every mistake in it. */
export function readDefinition(
  file: string | DefinitionSource,
  { set = [], seed, folders, environment = process.env, runDirectory, ...trust }: ReadOptions = {},
): Definition {
  const elsewhere = trust.isDetached ? 'a definition from elsewhere' : undefined
  const alone = runDirectory === undefined ? elsewhere : 'the definition of a run'
  const { path, values, problems: found } = typeof file === 'string' ? openDefinition(file, alone) : file
  const problems = [...found]
  const source = new Map(values)
  const overrides = parseOverrides(set)
  const vars = new Map(entriesOf(source.get('vars')))
  const unknown: Override[] = []
  for (const each of overrides) {
    const { name, path: rest, value } = each
    if (name === 'parallel') source.set('parallel', withValue(source.get('parallel'), rest, value))
    if (rest.length > 0 || name === 'parallel') continue
    if ((name === 'seed' || name === 'splitSeed' || name === 'memory') && !vars.has(name)) source.set(name, value)
    else if (vars.has(name)) vars.set(name, { key: value.origin, value })
    else unknown.push(each)
  }
  const outside = trust.isDetached ? {} : environment
  const { interpolate, resolvedVars } = createInterpolator(vars, outside, problems)
  const entries = stageEntries(source, interpolate, problems)
  const ids = entries.map((entry) => entry.id)
  for (const { name, path: rest, value, text } of overrides) {
    if (rest.length === 0 || name === 'parallel') continue
    const at = ids.indexOf(name)
    if (at >= 0) entries[at] = applyOverride(entries[at]!, rest, value, text, problems)
    else problems.push({ where: text, message: `no stage with id "${name}"${suggestion(name, ids, 'ids')}` })
  }
  const seedValue = seed !== undefined ? valueFrom(seed, { kind: 'set', text: `--seed ${seed}` }) : source.get('seed')
  // The seed of the file, with the vars of the file: another seed for a run must not change its test rows.
  const written = createInterpolator(new Map(entriesOf(values.get('vars'))), outside, []).interpolate
  const splitSeed = source.has('splitSeed')
    ? interpolate(source.get('splitSeed')!)
    : values.get('seed') && written(values.get('seed')!)
  const parallel = source.get('parallel')
  const parallelValue = parallel && withParallelReadings(interpolate(parallel))
  const checkpoint = source.get('checkpoint')
  const memory = source.get('memory')
  const resolvedSeed = seedValue && interpolate(seedValue)
  const stages = entries.map((entry) => ({
    ...entry,
    with: interpolate(entry.with),
    from: entry.from && interpolate(entry.from),
  }))
  const definition: Definition = {
    name: nameOf(source.get('name'), path, problems),
    description: source.get('description')?.data?.toString(),
    seed: seedOf(resolvedSeed, problems),
    splitSeed: seedOf(splitSeed, source.has('splitSeed') ? problems : [], 'splitSeed'),
    seedOrigin: seedValue?.origin ?? { kind: 'default' },
    seedReference: resolvedSeed?.reference,
    vars: resolvedVars(),
    checkpoint: readCheckpointRule(checkpoint && interpolate(checkpoint), problems),
    memory: memoryOf(memory && interpolate(memory), problems),
    published: source.get('published'),
    parallel: parallelOf(parallelValue, problems),
    parallelValue,
    sweep: source.get('sweep'),
    stages,
    unknown,
    folders,
    file: path,
    trust: decideTrust(trust, environment, runDirectory),
  }
  if (problems.length > 0) throw new DefinitionProblems(definition, problems)
  return definition
}

/**
 * Mistakes in a definition that could be read nevertheless. The graph is then checked too, so that the user sees all
 * mistakes at once.
 */
export class DefinitionProblems extends PipelineError {
  /** The definition, with placeholders for values with an error. */
  readonly definition: Definition
  /** Every mistake, in no order. */
  readonly found: readonly Problem[]
  constructor(definition: Definition, problems: readonly Problem[]) {
    super('DEFINITION', inFileOrder(problems))
    this.definition = definition
    this.found = problems
  }
}

/** Reads and checks the name: any text in one line, because it stands in titles. Default: the name of the file. */
export function nameOf(value: Value | undefined, file: string, problems: Problem[]): string {
  if (value && typeof value.data !== 'string') return 'pipeline'
  const name = String(value?.data ?? basename(file).replace(/\.ya?ml$/, ''))
  if (name.trim() === name && name !== '' && name.length <= MAX_NAME && !hasControls(name)) return name
  if (!value) return 'pipeline'
  problems.push({
    where: formatOrigin(value.origin),
    message:
      `name: expected 1 to ${MAX_NAME} characters in one line, without blanks around them and without control ` +
      `characters, got ${show(name)}`,
  })
  return 'pipeline'
}

/** Reads and checks a seed. Default: 0. */
export function seedOf(given: Value | undefined, problems: Problem[], key = 'seed'): number {
  if (!given) return 0
  const value = withReadings(z.int(), given)
  const seed = value.data
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return seed
  if (isResolved(value))
    problems.push({
      where: formatOrigin(value.origin),
      message: `${key}: expected a non-negative integer, got ${showValue(value)}${exactnessNote(value)}`,
    })
  return 0
}
