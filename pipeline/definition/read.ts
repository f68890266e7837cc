import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseDocument } from 'yaml'
import { z } from 'zod'
import { PipelineError, type Problem } from '../errors.js'
import { didYouMean } from '../nearest.js'
import { interpolator } from './interpolate.js'
import { readSource } from './source.js'
import { entriesOf, isList, type Origin, plain, shortPath, type Value, valueFrom, withValue, wordOrigin } from './value.js'
import { wordIssues } from './wording.js'

/** One entry of `stages`, resolved: no references left, options not yet checked. */
export interface StageEntry {
  readonly id: string
  readonly use: string
  readonly with: Value
  readonly from: Value | undefined
  readonly origin: Origin
  readonly useOrigin: Origin
  /** The folder that `./` in `use` starts from. */
  readonly folder: string
}

/** A pipeline definition, read and resolved. */
export interface Definition {
  readonly name: string
  readonly description: string | undefined
  readonly seed: number
  readonly seedOrigin: Origin
  readonly vars: ReadonlyMap<string, Value>
  readonly stages: readonly StageEntry[]
}

export interface ReadOptions {
  /** `var=value`, `seed=value` or `stage.option=value` each; later ones win. */
  readonly set?: readonly string[]
  readonly seed?: number | undefined
  readonly environment?: Readonly<Record<string, string | undefined>>
}

const stageName = z.string().min(1)
const identifier = z.string().regex(/^[A-Za-z][\w-]*$/)
const from = z.union([z.string().min(1), z.record(z.string(), z.string().min(1))])
const options = z.record(z.string(), z.unknown()).nullish()

const stageSchema = z.strictObject({ use: stageName, id: z.string().optional(), with: options, from: from.optional() })

const patchSchema = z.union([
  z.strictObject({ set: identifier, with: options }),
  z.strictObject({ replace: identifier, use: stageName, with: options, from: from.optional() }),
  z.strictObject({ insertAfter: identifier, use: stageName, id: z.string().optional(), with: options, from: from.optional() }),
  z.strictObject({ remove: identifier }),
])

const definitionSchema = z.strictObject({
  name: z.string().optional(),
  description: z.string().optional(),
  extends: z.string().min(1).optional(),
  seed: z.union([z.int().nonnegative(), z.string()]).optional(),
  vars: z.record(z.string(), z.unknown()).nullish(),
  stages: z.array(stageSchema).optional(),
  patch: z.array(patchSchema).optional(),
})

const NAME = /^[A-Za-z0-9][\w.-]{0,99}$/

/** Reads and resolves the definition in `file`; throws a PipelineError that lists all that is wrong with it. */
export function readDefinition(file: string, { set = [], seed, environment = process.env }: ReadOptions = {}): Definition {
  const path = findDefinition(file)
  const problems: Problem[] = []
  const source = inherit(path, [], problems)
  if (problems.length > 0) throw new PipelineError('DEFINITION', problems)

  const overrides = parseOverrides(set)
  const vars = new Map(entriesOf(source.get('vars')))
  for (const { name, path: rest, value, text } of overrides) {
    if (rest.length > 0) continue
    if (name === 'seed' && !vars.has('seed')) source.set('seed', value)
    else if (vars.has(name)) vars.set(name, { key: value.origin, value })
    else problems.push({ where: text, message: `no var named "${name}"${didYouMean(name, vars.keys()) || hint(vars.keys(), 'vars')}` })
  }
  const interpolate = interpolator(vars, environment, problems)
  const entries = stageEntries(source, interpolate, problems)
  for (const { name, path: rest, value, text } of overrides) {
    if (rest.length === 0) continue
    const at = entries.findIndex((entry) => entry.id === name)
    if (at < 0) {
      const ids = entries.map((entry) => entry.id)
      problems.push({ where: text, message: `no stage with id "${name}"${didYouMean(name, ids) || hint(ids, 'ids')}` })
    } else entries[at] = override(entries[at]!, rest, value, text, problems)
  }
  const seedValue = seed !== undefined ? valueFrom(seed, { kind: 'set', text: `--seed ${seed}` }) : source.get('seed')
  const definition: Definition = {
    name: nameOf(source.get('name'), path, problems),
    description: source.get('description')?.data?.toString(),
    seed: seedOf(seedValue && interpolate(seedValue), problems),
    seedOrigin: seedValue?.origin ?? { kind: 'default' },
    vars: new Map([...vars].map(([name, entry]) => [name, interpolate(entry.value)])),
    stages: entries.map((entry) => ({ ...entry, with: interpolate(entry.with), from: entry.from && interpolate(entry.from) })),
  }
  if (problems.length > 0) throw new DefinitionProblems(definition, problems)
  return definition
}

/** Problems found while there is still a definition to look at, so that checks of the graph can add theirs. */
export class DefinitionProblems extends PipelineError {
  readonly definition: Definition
  constructor(definition: Definition, problems: readonly Problem[]) {
    super('DEFINITION', distinct(problems))
    this.definition = definition
  }
}

export function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [`${problem.where}\n${problem.message}`, problem])).values()]
}

/** The folder of the pipelines that come with Millrace. */
export const builtInFolder = fileURLToPath(new URL('../../../configs', import.meta.url))

/** The names under which `run` finds the pipelines that come with Millrace. */
export function builtInNames(): string[] {
  return readdirSync(builtInFolder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length).replaceAll('\\', '/'))
    .sort()
}

/** A file, or the name of a built-in pipeline (`digits`, `cifar10/experiment-3`, `experiment-3`). */
function findDefinition(name: string): string {
  if (existsSync(name) && !(statSync(name).isDirectory() && !/[./\\]/.test(name))) return resolve(name)
  const names = builtInNames()
  const found = names.filter((known) => known === name || basename(known) === name)
  if (found.length === 1) return join(builtInFolder, `${found[0]}.yaml`)
  if (/\.ya?ml$/.test(name) || name.includes('\0')) return name
  throw new PipelineError(
    'DEFINITION',
    `no file and no built-in pipeline named "${name}"${didYouMean(name, names) || hint(names, 'built in')}`,
  )
}

/** Reads a file and what it extends, and joins them: own `vars` win one by one, own `stages` replace the inherited list. */
function inherit(file: string, below: readonly string[], problems: Problem[]): Map<string, Value> {
  const value = readSource(file)
  const own = new Map(entriesOf(value))
  for (const key of own.keys()) if (key.startsWith('x-')) own.delete(key)
  const checked = definitionSchema.safeParse(plain({ data: own, origin: value.origin }))
  if (!checked.success)
    problems.push(...wordIssues(checked.error, definitionSchema, { data: own, origin: value.origin }, '', 'key'))

  const result = new Map<string, Value>([...own].map(([key, entry]) => [key, entry.value]))
  const parent = own.get('extends')?.value
  if (typeof parent?.data === 'string') {
    const path = resolve(dirname(file), parent.data)
    const chain = [...below, file]
    if (chain.includes(path)) {
      problems.push({
        where: wordOrigin(parent.origin),
        message: `files extend each other in a circle: ${[...chain, path].map(shortPath).join(' → ')}`,
      })
    } else if (!existsSync(path)) {
      problems.push({ where: wordOrigin(parent.origin), message: `extends: no file ${shortPath(path)}` })
    } else join2(result, inherit(path, chain, problems))
  }
  if (below.length === 0 && checked.success && !result.has('stages') && problems.length === 0)
    problems.push({ where: wordOrigin(value.origin), message: 'stages is required: expected a list of stages' })
  return result
}

function join2(own: Map<string, Value>, inherited: Map<string, Value>): void {
  const vars = new Map([...entriesOf(inherited.get('vars')), ...entriesOf(own.get('vars'))])
  const ownPatch = own.get('patch')
  const inheritedPatch = own.has('stages') ? undefined : inherited.get('patch')
  for (const key of ['seed', 'description', 'stages'])
    if (!own.has(key) && inherited.has(key)) own.set(key, inherited.get(key)!)
  if (vars.size > 0) own.set('vars', { data: vars, origin: (own.get('vars') ?? inherited.get('vars')!).origin })
  if (isList(inheritedPatch))
    own.set('patch', { data: [...inheritedPatch.data, ...(isList(ownPatch) ? ownPatch.data : [])], origin: inheritedPatch.origin })
}

function stageEntries(source: Map<string, Value>, interpolate: (value: Value) => Value, problems: Problem[]): StageEntry[] {
  const stages = source.get('stages')
  const entries = isList(stages) ? stages.data.map((value) => entryOf(value, interpolate)) : []
  const patch = source.get('patch')
  for (const change of isList(patch) ? patch.data : []) applyPatch(entries, change, interpolate, problems)
  if (entries.length === 0 && problems.length === 0)
    problems.push({
      where: stages && wordOrigin(stages.origin),
      message: 'stages: expected at least one stage, got an empty list',
    })
  return entries
}

function entryOf(value: Value, interpolate: (value: Value) => Value): StageEntry {
  const fields = entriesOf(value)
  const use = interpolate(fields.get('use')!.value)
  const name = String(use.data ?? '')
  const id = fields.get('id')?.value.data ?? defaultId(name)
  const options = fields.get('with')?.value
  return {
    id: String(id),
    use: name,
    with: options?.data instanceof Map ? options : { data: new Map(), origin: use.origin },
    from: fields.get('from')?.value,
    origin: value.origin,
    useOrigin: use.origin,
    folder: fields.get('use')!.value.origin.kind === 'file' ? dirname((fields.get('use')!.value.origin as { file: string }).file) : process.cwd(),
  }
}

/** The id of a stage that names none: the last part of its `use`, without an ending. */
export function defaultId(use: string): string {
  return use.slice(use.lastIndexOf('/') + 1).replace(/\.[cm]?[jt]s$/, '').replace(/[^\w-]/g, '-')
}

/** One change of `patch:`; the same four verbs as in code: `set`, `replace`, `insertAfter`, `remove`. */
function applyPatch(entries: StageEntry[], change: Value, interpolate: (value: Value) => Value, problems: Problem[]): void {
  const fields = new Map(entriesOf(change))
  const verb = (['set', 'replace', 'insertAfter', 'remove'] as const).find((name) => fields.has(name))!
  const target = fields.get(verb)!.value
  fields.delete(verb)
  const at = entries.findIndex((entry) => entry.id === target.data)
  if (at < 0) {
    const ids = entries.map((entry) => entry.id)
    problems.push({
      where: wordOrigin(target.origin),
      message: `patch: no stage with id "${target.data}"${didYouMean(String(target.data), ids) || hint(ids, 'ids')}`,
    })
    return
  }
  const entry = entries[at]!
  if (verb === 'remove') entries.splice(at, 1)
  else if (verb === 'set') {
    let options = entry.with
    for (const [name, { value }] of entriesOf(fields.get('with')?.value)) options = withValue(options, [name], value)
    entries[at] = { ...entry, with: options }
  } else {
    const made = entryOf({ data: fields, origin: change.origin }, interpolate)
    if (verb === 'insertAfter') entries.splice(at + 1, 0, made)
    else entries[at] = { ...made, id: entry.id, from: made.from ?? entry.from }
  }
}

interface Override {
  readonly text: string
  readonly name: string
  readonly path: readonly string[]
  readonly value: Value
}

function parseOverrides(set: readonly string[]): Override[] {
  return set.map((assignment) => {
    const text = `--set ${assignment}`
    const match = /^([A-Za-z_][\w-]*)((?:\.[\w-]+)*)=(.*)$/s.exec(assignment)
    if (!match) throw new PipelineError('ARGUMENTS', `${text}: expected name=value or stage.option=value`)
    const document = parseDocument(match[3]!)
    if (document.errors.length > 0)
      throw new PipelineError('ARGUMENTS', `${text}: the value is malformed YAML: ${document.errors[0]!.message.split('\n')[0]}`)
    const origin: Origin = { kind: 'set', text }
    return { text, name: match[1]!, path: match[2]!.split('.').slice(1), value: valueFrom(document.toJS({ maxAliasCount: 0 }) ?? null, origin) }
  })
}

function override(entry: StageEntry, path: readonly string[], value: Value, text: string, problems: Problem[]): StageEntry {
  if (path[0] !== 'use') return { ...entry, with: withValue(entry.with, path, value) }
  if (path.length === 1 && typeof value.data === 'string')
    return { ...entry, use: value.data, useOrigin: value.origin, folder: process.cwd() }
  problems.push({ where: text, message: 'expected the name of a stage' })
  return entry
}

function nameOf(value: Value | undefined, file: string, problems: Problem[]): string {
  const name = String(value?.data ?? basename(file).replace(/\.ya?ml$/, ''))
  if (NAME.test(name)) return name
  if (!value) return 'pipeline'
  problems.push({
    where: wordOrigin(value.origin),
    message: `name: expected letters, digits, ".", "_" and "-" (it names the run's directory), got ${JSON.stringify(name)}`,
  })
  return 'pipeline'
}

function seedOf(value: Value | undefined, problems: Problem[]): number {
  const seed = value?.data ?? 0
  if (typeof seed === 'number' && Number.isSafeInteger(seed) && seed >= 0) return seed
  problems.push({
    where: value && wordOrigin(value.origin),
    message: `seed: expected a non-negative integer, got ${JSON.stringify(value && plain(value))}`,
  })
  return 0
}

function hint(names: Iterable<string>, noun: string): string {
  const list = [...names]
  return list.length > 0 ? `; ${noun}: ${list.join(', ')}` : ''
}
