import { existsSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { z } from 'zod'
import { PipelineError, type Problem } from '../errors.js'
import { suggestion } from '../nearest.js'
import { type StageEntry, stageEntries } from './entries.js'
import { findDefinition } from './find.js'
import { interpolator } from './interpolate.js'
import { override, parseOverrides } from './overrides.js'
import { readSource } from './source.js'
import { entriesOf, isList, type Origin, plain, shortPath, type Value, valueFrom, wordOrigin } from './value.js'
import { wordIssues } from './wording.js'

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
  z.strictObject({
    insertAfter: identifier,
    use: stageName,
    id: z.string().optional(),
    with: options,
    from: from.optional(),
  }),
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
export function readDefinition(
  file: string,
  { set = [], seed, environment = process.env }: ReadOptions = {},
): Definition {
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
    else problems.push({ where: text, message: `no var named "${name}"${suggestion(name, vars.keys(), 'vars')}` })
  }
  const interpolate = interpolator(vars, environment, problems)
  const entries = stageEntries(source, interpolate, problems)
  for (const { name, path: rest, value, text } of overrides) {
    if (rest.length === 0) continue
    const at = entries.findIndex((entry) => entry.id === name)
    if (at < 0) {
      const ids = entries.map((entry) => entry.id)
      problems.push({ where: text, message: `no stage with id "${name}"${suggestion(name, ids, 'ids')}` })
    } else entries[at] = override(entries[at]!, rest, value, text, problems)
  }
  const seedValue = seed !== undefined ? valueFrom(seed, { kind: 'set', text: `--seed ${seed}` }) : source.get('seed')
  const definition: Definition = {
    name: nameOf(source.get('name'), path, problems),
    description: source.get('description')?.data?.toString(),
    seed: seedOf(seedValue && interpolate(seedValue), problems),
    seedOrigin: seedValue?.origin ?? { kind: 'default' },
    vars: new Map([...vars].map(([name, entry]) => [name, interpolate(entry.value)])),
    stages: entries.map((entry) => ({
      ...entry,
      with: interpolate(entry.with),
      from: entry.from && interpolate(entry.from),
    })),
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
    } else joinInherited(result, inherit(path, chain, problems))
  }
  if (below.length === 0 && checked.success && !result.has('stages') && problems.length === 0)
    problems.push({ where: wordOrigin(value.origin), message: 'stages is required: expected a list of stages' })
  return result
}

/** Fills in what a definition inherits; `patch` lists follow each other unless the stages were replaced. */
function joinInherited(own: Map<string, Value>, inherited: Map<string, Value>): void {
  const vars = new Map([...entriesOf(inherited.get('vars')), ...entriesOf(own.get('vars'))])
  const ownPatch = own.get('patch')
  const inheritedPatch = own.has('stages') ? undefined : inherited.get('patch')
  for (const key of ['seed', 'description', 'stages'])
    if (!own.has(key) && inherited.has(key)) own.set(key, inherited.get(key)!)
  if (vars.size > 0) own.set('vars', { data: vars, origin: (own.get('vars') ?? inherited.get('vars')!).origin })
  if (isList(inheritedPatch))
    own.set('patch', {
      data: [...inheritedPatch.data, ...(isList(ownPatch) ? ownPatch.data : [])],
      origin: inheritedPatch.origin,
    })
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
