import { existsSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { inFileOrder, PipelineError, type Problem } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { shortPath, show } from '../base/words.js'
import { type CheckpointRule, checkpointRule } from './checkpoint.js'
import { type StageEntry, stageEntries } from './entries.js'
import { findDefinition } from './find.js'
import { interpolator } from './interpolate.js'
import { type Override, override, parseOverrides } from './overrides.js'
import { type ParallelOptions, parallelOf } from './parallel.js'
import { checkShape } from './schema.js'
import { readSource } from './source.js'
import { type DecidedTrust, decideTrust, type Trust } from './trust.js'
import {
  entriesOf,
  formatOrigin,
  isList,
  isMapping,
  isResolved,
  type Origin,
  plain,
  type Value,
  valueFrom,
  withValue,
} from './value.js'

/** A pipeline definition, read and resolved. */
export interface Definition {
  readonly name: string
  readonly description: string | undefined
  readonly seed: number
  readonly seedOrigin: Origin
  /** The var that the seed is taken from. */
  readonly seedReference?: string | undefined
  readonly vars: ReadonlyMap<string, Value>
  readonly checkpoint: CheckpointRule
  /** The block `published`, as it stands: what others found, for reports to compare with. */
  readonly published: Value | undefined
  /** How the run is divided among processes; undefined: it is not. */
  readonly parallel: ParallelOptions | undefined
  readonly parallelValue: Value | undefined
  /** The block `sweep`, as it stands; a run has no use for it. */
  readonly sweep?: Value | undefined
  readonly stages: readonly StageEntry[]
  /** What it may do. */
  readonly trust: DecidedTrust
}

export interface ReadOptions extends Trust {
  /** `var=value`, `seed=value` or `stage.option=value` each; later ones win. */
  readonly set?: readonly (string | Override)[]
  readonly seed?: number | undefined
  readonly environment?: Readonly<Record<string, string | undefined>>
}

const NAME = /^[A-Za-z0-9][\w.-]{0,99}$/

/** A definition with all that it extends, read but not resolved, to be resolved more than once. */
export interface DefinitionSource {
  readonly path: string
  readonly values: ReadonlyMap<string, Value>
  readonly problems: readonly Problem[]
}

/** Reads `file` and what it extends. Throws a PipelineError where so much is missing that nothing could be resolved. */
export function openDefinition(file: string): DefinitionSource {
  const path = findDefinition(file)
  const problems: Problem[] = []
  return { path, values: inherit(path, [], problems), problems }
}

/** Reads and resolves the definition in `file`; throws a PipelineError that lists all that is wrong with it. */
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
    if (name === 'seed' && !vars.has('seed')) source.set('seed', value)
    else if (vars.has(name)) vars.set(name, { key: value.origin, value })
    else unknown.push(each)
  }
  const { interpolate, resolvedVars } = interpolator(vars, environment, problems)
  const entries = stageEntries(source, interpolate, problems)
  const ids = entries.map((entry) => entry.id)
  for (const { name, text } of unknown)
    problems.push({
      where: text,
      message: `no var named "${name}"${ids.includes(name) ? `; "${name}" is a stage: ${name}.option=value sets one of its options` : suggestion(name, vars.keys(), 'vars')}`,
    })
  for (const { name, path: rest, value, text } of overrides) {
    if (rest.length === 0 || name === 'parallel') continue
    const at = ids.indexOf(name)
    if (at >= 0) entries[at] = override(entries[at]!, rest, value, text, problems)
    else problems.push({ where: text, message: `no stage with id "${name}"${suggestion(name, ids, 'ids')}` })
  }
  const seedValue = seed !== undefined ? valueFrom(seed, { kind: 'set', text: `--seed ${seed}` }) : source.get('seed')
  const parallelValue = source.get('parallel') && interpolate(source.get('parallel')!)
  const checkpoint = source.get('checkpoint')
  const resolvedSeed = seedValue && interpolate(seedValue)
  const definition: Definition = {
    name: nameOf(source.get('name'), path, problems),
    description: source.get('description')?.data?.toString(),
    seed: seedOf(resolvedSeed, problems),
    seedOrigin: seedValue?.origin ?? { kind: 'default' },
    seedReference: resolvedSeed?.reference,
    vars: resolvedVars(),
    checkpoint: checkpointRule(checkpoint && interpolate(checkpoint), problems),
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

/** Problems found while there is still a definition to look at, so that checks of the graph can add theirs. */
export class DefinitionProblems extends PipelineError {
  readonly definition: Definition
  constructor(definition: Definition, problems: readonly Problem[]) {
    super('DEFINITION', inFileOrder(problems))
    this.definition = definition
  }
}

/**
 * Reads a file and what it extends, and joins them: own `vars` win one by one, own `stages` replace the inherited list.
 * Throws where so much is missing that looking further would only report what follows from it.
 */
function inherit(file: string, below: readonly string[], problems: Problem[]): Map<string, Value> {
  const value = readSource(file)
  const own = new Map(entriesOf(value))
  for (const key of own.keys()) if (key.startsWith('x-')) own.delete(key)
  checkShape({ data: own, origin: value.origin }, problems)
  const result = new Map<string, Value>([...own].map(([key, entry]) => [key, entry.value]))
  const parent = result.get('extends')
  const vars = result.get('vars')
  if (parent) joinInherited(result, inheritFrom(parent, file, below, problems))
  if (vars && vars.data !== null && !isMapping(vars)) throw new PipelineError('DEFINITION', inFileOrder(problems))
  if (below.length === 0 && !result.has('stages'))
    problems.push({ where: formatOrigin(value.origin), message: 'stages is required: expected a list of stages' })
  return result
}

function inheritFrom(parent: Value, file: string, below: readonly string[], problems: Problem[]): Map<string, Value> {
  const where = formatOrigin(parent.origin)
  const stop = (...found: Problem[]): PipelineError =>
    new PipelineError('DEFINITION', inFileOrder([...problems, ...found]))
  if (typeof parent.data !== 'string' || parent.data === '') throw stop()
  const path = resolve(dirname(file), parent.data)
  const chain = [...below, file]
  if (chain.includes(path))
    throw stop({
      where,
      message: `files extend each other in a circle: ${[...chain, path].map(shortPath).join(' → ')}`,
    })
  if (!existsSync(path)) throw stop({ where, message: `extends: no file ${shortPath(path)}` })
  try {
    return inherit(path, chain, problems)
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    const found = error.problems.map((problem) =>
      problem.where ? problem : { where, message: `extends: ${problem.message}` },
    )
    throw stop(...found)
  }
}

/**
 * Fills in what a definition inherits; `patch` lists follow each other unless the stages were replaced. The name, what
 * was published under it and its sweep are not inherited: a variation of an experiment is another experiment.
 */
function joinInherited(own: Map<string, Value>, inherited: Map<string, Value>): void {
  const vars = new Map([...entriesOf(inherited.get('vars')), ...entriesOf(own.get('vars'))])
  const ownPatch = own.get('patch')
  const inheritedPatch = own.has('stages') ? undefined : inherited.get('patch')
  for (const key of ['seed', 'description', 'checkpoint', 'parallel', 'stages'])
    if (!own.has(key) && inherited.has(key)) own.set(key, inherited.get(key)!)
  if (vars.size > 0) own.set('vars', { data: vars, origin: (own.get('vars') ?? inherited.get('vars')!).origin })
  if (isList(inheritedPatch))
    own.set('patch', {
      data: [...inheritedPatch.data, ...(isList(ownPatch) ? ownPatch.data : [])],
      origin: inheritedPatch.origin,
    })
}

/** The name, checked because it names the run's directory; the file's where none is given. */
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

export function seedOf(value: Value | undefined, problems: Problem[]): number {
  if (!value) return 0
  const seed = value.data
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return seed
  if (isResolved(value))
    problems.push({
      where: formatOrigin(value.origin),
      message: `seed: expected a non-negative integer, got ${show(plain(value))}`,
    })
  return 0
}
