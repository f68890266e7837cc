import { basename } from 'node:path'
import { inFileOrder, PipelineError, type Problem } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { show } from '../base/words.js'
import { type CheckpointRule, readCheckpointRule } from './checkpoint.js'
import { type StageEntry, stageEntries } from './entries.js'
import { findDefinition } from './find.js'
import { readWithInherited } from './inherit.js'
import { createInterpolator } from './interpolate.js'
import { applyOverride, type Override, parseOverrides } from './overrides.js'
import { type ParallelOptions, parallelOf } from './parallel.js'
import { type DecidedTrust, decideTrust, type Trust } from './trust.js'
import { entriesOf, formatOrigin, isResolved, type Origin, plain, type Value, valueFrom, withValue } from './value.js'

/** A pipeline definition, read and resolved. */
export interface Definition {
  /** The name of the pipeline, and of its run directories. */
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
  /** What the definition is allowed to do. */
  readonly trust: DecidedTrust
}

/** How a definition is read. */
export interface ReadOptions extends Trust {
  /** Overrides: each is `var=value`, `seed=value`, `splitSeed=value` or `stage.option=value`. Later ones win. */
  readonly set?: readonly (string | Override)[]
  /** The seed. It wins over the definition and over `set`. */
  readonly seed?: number | undefined
  /** The environment variables that `${NAME}` may refer to. Default: `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

const NAME = /^[A-Za-z0-9][\w.-]{0,99}$/

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
 */
export function openDefinition(file: string): DefinitionSource {
  const path = findDefinition(file)
  const problems: Problem[] = []
  return { path, values: readWithInherited(path, [], problems), problems }
}

/** Reads and resolves a definition. Throws a PipelineError that lists every mistake in it. */
export function readDefinition(
  file: string | DefinitionSource,
  { set = [], seed, environment = process.env, ...trust }: ReadOptions = {},
): Definition {
  const { path, values, problems: found } = typeof file === 'string' ? openDefinition(file) : file
  const problems = [...found]
  const source = new Map(values)
  const overrides = parseOverrides(set)
  const vars = new Map(entriesOf(source.get('vars')))
  const unknown: Override[] = []
  for (const each of overrides) {
    const { name, path: rest, value } = each
    if (name === 'parallel') source.set('parallel', withValue(source.get('parallel'), rest, value))
    if (rest.length > 0 || name === 'parallel') continue
    if ((name === 'seed' || name === 'splitSeed') && !vars.has(name)) source.set(name, value)
    else if (vars.has(name)) vars.set(name, { key: value.origin, value })
    else unknown.push(each)
  }
  const { interpolate, resolvedVars } = createInterpolator(vars, environment, problems)
  const entries = stageEntries(source, interpolate, problems)
  const ids = entries.map((entry) => entry.id)
  const hintFor = (name: string): string =>
    ids.includes(name)
      ? `; "${name}" is a stage: ${name}.option=value sets one of its options`
      : suggestion(name, vars.keys(), 'vars')
  for (const { name, text } of unknown)
    problems.push({ where: text, message: `no var named "${name}"${hintFor(name)}` })
  for (const { name, path: rest, value, text } of overrides) {
    if (rest.length === 0 || name === 'parallel') continue
    const at = ids.indexOf(name)
    if (at >= 0) entries[at] = applyOverride(entries[at]!, rest, value, text, problems)
    else problems.push({ where: text, message: `no stage with id "${name}"${suggestion(name, ids, 'ids')}` })
  }
  const seedValue = seed !== undefined ? valueFrom(seed, { kind: 'set', text: `--seed ${seed}` }) : source.get('seed')
  // The seed of the file, with the vars of the file: another seed for a run must not change its test rows.
  const written = createInterpolator(new Map(entriesOf(values.get('vars'))), environment, []).interpolate
  const splitSeedValue = source.has('splitSeed')
    ? interpolate(source.get('splitSeed')!)
    : values.get('seed') && written(values.get('seed')!)
  const parallelValue = source.get('parallel') && interpolate(source.get('parallel')!)
  const checkpoint = source.get('checkpoint')
  const resolvedSeed = seedValue && interpolate(seedValue)
  const definition: Definition = {
    name: nameOf(source.get('name'), path, problems),
    description: source.get('description')?.data?.toString(),
    seed: seedOf(resolvedSeed, problems),
    splitSeed: seedOf(splitSeedValue, source.has('splitSeed') ? problems : [], 'splitSeed'),
    seedOrigin: seedValue?.origin ?? { kind: 'default' },
    seedReference: resolvedSeed?.reference,
    vars: resolvedVars(),
    checkpoint: readCheckpointRule(checkpoint && interpolate(checkpoint), problems),
    published: source.get('published'),
    parallel: parallelOf(parallelValue, problems),
    parallelValue,
    sweep: source.get('sweep'),
    stages: entries.map((entry) => ({
      ...entry,
      with: interpolate(entry.with),
      from: entry.from && interpolate(entry.from),
    })),
    trust: decideTrust(trust, environment),
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
  constructor(definition: Definition, problems: readonly Problem[]) {
    super('DEFINITION', inFileOrder(problems))
    this.definition = definition
  }
}

/** Reads and checks the name, because run directories are named after it. Default: the name of the file. */
export function nameOf(value: Value | undefined, file: string, problems: Problem[]): string {
  if (value && typeof value.data !== 'string') return 'pipeline'
  const name = String(value?.data ?? basename(file).replace(/\.ya?ml$/, ''))
  if (NAME.test(name)) return name
  if (!value) return 'pipeline'
  problems.push({
    where: formatOrigin(value.origin),
    message: `name: expected letters, digits, ".", "_" and "-" (it names the run's directory), got ${show(name)}`,
  })
  return 'pipeline'
}

/** Reads and checks a seed. Default: 0. */
export function seedOf(value: Value | undefined, problems: Problem[], key = 'seed'): number {
  if (!value) return 0
  const seed = value.data
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return seed
  if (isResolved(value))
    problems.push({
      where: formatOrigin(value.origin),
      message: `${key}: expected a non-negative integer, got ${show(plain(value))}`,
    })
  return 0
}
