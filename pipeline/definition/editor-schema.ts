import type { AnyStage } from '../stage/stage.js'
import { checkpointSchema } from './checkpoint.js'
import { type OptionSchema, optionSchema } from './option-schema.js'
import { parallel } from './parallel.js'
import { changes, definition, type Verb } from './schema.js'
import { testFile } from './tests.js'

/*
 * The JSON Schema of a definition, for editors and validators. All of it comes from the zod schemas that check definitions. It
 * accepts what they accept before references are resolved; what depends on several values at once, it leaves to them.
 */

/** A stage, and what `use:` says to name it: its own name, or a path or package for a stage of a user. */
export interface NamedStage {
  /** The text of `use:`. */
  readonly use: string
  /** The stage. */
  readonly stage: AnyStage
}

/** A part of a JSON Schema. */
type Schema = Readonly<Record<string, unknown>>

/** The identity of the schema. It is no address: nothing is fetched from it. */
const ID = 'urn:millrace:pipeline'

const reference = {
  type: 'string',
  pattern: '\\$\\{',
  description: 'A var or an environment variable: ${name} or ${NAME:-default}.',
}
const toReference = { $ref: '#/$defs/reference' }

/** The values that stand for no option of their own: `use` of a stage that is not listed. */
const otherUse = {
  type: 'string',
  // A path, a package, one of several stages of a module, or a text with a reference. A family and a name must be listed.
  pattern: '^(\\.{1,2}[/\\\\]|[/\\\\]|[A-Za-z]:[/\\\\]|@)|^[^/]+$|#|\\$\\{',
  description: 'A stage of your own: a file (./my-stage.js) or a package.',
}

/**
 * Returns the JSON Schema (draft 2020-12) of a definition whose stages are among `stages`, or are files or packages, of
 * which the schema then knows no options.
 */
export function definitionSchema(stages: readonly NamedStage[]): Schema {
  const sorted = [...stages].sort((a, b) => (a.use < b.use ? -1 : 1))
  const { properties, ...rest } = clean(optionSchema(definition)) as {
    readonly properties: Schema
    readonly $defs?: Schema
  }
  const own = {
    seed: withReference(whole(properties.seed)),
    splitSeed: withReference(whole(properties.splitSeed)),
    checkpoint: described(properties.checkpoint, withReferences(optionSchema(checkpointSchema))),
    parallel: described(properties.parallel, withReferences(optionSchema(parallel))),
    stages: described(properties.stages, { type: 'array', items: entrySchema(sorted) }),
    patch: described(properties.patch, { type: 'array', items: { anyOf: changeSchemas(sorted) } }),
  }
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: ID,
    title: 'Millrace pipeline',
    ...rest,
    properties: { ...properties, ...own },
    // Keys for the user alone, such as anchors.
    patternProperties: { '^x-': true },
    anyOf: [{ required: ['stages'] }, { required: ['extends'] }],
    $defs: {
      ...rest.$defs,
      reference,
      ...Object.fromEntries(sorted.map((named) => [named.use, optionsOf(named)])),
    },
  }
}

/** Returns the JSON Schema (draft 2020-12) of files of tests. */
export function testsSchema(): Schema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: 'urn:millrace:tests',
    title: 'Millrace tests',
    ...clean(optionSchema(testFile)),
    patternProperties: { '^x-': true },
  }
}

function described(written: unknown, schema: Schema): Schema {
  const { description } = (written ?? {}) as { readonly description?: string }
  return { ...(description !== undefined && { description }), ...schema }
}

function whole(written: unknown): Schema {
  return { ...(written as Schema), type: 'integer', minimum: 0 }
}

/** The options of a stage. Editors show the title. */
function optionsOf({ use, stage }: NamedStage): Schema {
  const options = withReferences(optionSchema(stage.options), `${pointerTo(use)}/$defs/`)
  return { title: use, ...options }
}

const id = {
  description: 'The name of this stage, for `from` and --set. Default: the last part of `use`.',
  type: 'string',
}
const from = {
  description: 'The inputs: the id of a stage, or a mapping of inputs to ids. Default: the stage above.',
  anyOf: [{ type: 'string' }, { type: 'object', additionalProperties: { type: 'string' } }],
}

/**
 * The schema of an entry of `stages`. That a stage needs options stands apart: editors offer the name of a stage only if
 * its schema has no complaint yet.
 */
function entrySchema(stages: readonly NamedStage[]): Schema {
  const needing = stages.filter(({ stage }) => (optionSchema(stage.options).required ?? []).length > 0)
  const isNeeding = { properties: { use: { enum: needing.map(({ use }) => use) } }, required: ['use'] }
  // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema
  return { oneOf: entrySchemas(stages), if: isNeeding, then: { required: ['with'] } }
}

/** The schemas of an entry: one for each known stage, and one for all others. `more` are further keys. */
function entrySchemas(stages: readonly NamedStage[], more: Schema = {}, required: readonly string[] = []): Schema[] {
  const others = stages.map(({ use }) => use).filter((use) => new RegExp(otherUse.pattern).test(use))
  return [
    ...stages.map((named) => ({
      type: 'object',
      properties: { ...more, use: useOf(named), ...(more.id === undefined && { id }), with: optionsIn(named), from },
      required: [...required, 'use'],
      additionalProperties: false,
    })),
    {
      type: 'object',
      properties: {
        ...more,
        use: { ...otherUse, ...(others.length > 0 && { not: { enum: others } }) },
        ...(more.id === undefined && { id }),
        with: { description: 'The options of the stage.', type: ['object', 'null'] },
        from,
      },
      required: [...required, 'use'],
      additionalProperties: false,
    },
  ]
}

function useOf({ use, stage }: NamedStage): Schema {
  return {
    const: use,
    description: stage.summary,
    markdownDescription: `${stage.summary}\n\n\`\`\`yaml\n${stage.example}\n\`\`\``,
  }
}

function optionsIn({ use, stage }: NamedStage): Schema {
  const target = { $ref: pointerTo(use) }
  const { required = [] } = optionSchema(stage.options)
  return required.length > 0 ? target : { anyOf: [target, { type: 'null' }] }
}

/** The schemas of an entry of `patch`. Its stages are written as those of `stages` are. */
function changeSchemas(stages: readonly NamedStage[]): Schema[] {
  const target = { description: 'The id of a stage.', type: 'string', minLength: 1 }
  const made: Readonly<Record<Verb, (verb: Verb) => Schema[]>> = {
    set: (verb) => [clean(optionSchema(changes[verb]))],
    remove: (verb) => [clean(optionSchema(changes[verb]))],
    // The id of a replaced stage stays.
    replace: (verb) => entrySchemas(stages, { [verb]: target, id: false }, [verb]),
    insertAfter: (verb) => entrySchemas(stages, { [verb]: target }, [verb]),
  }
  return Object.entries(made).flatMap(([verb, schemas]) => schemas(verb as Verb))
}

/** Bounds of the numbers that JavaScript holds exactly: they say nothing to a user. */
const UNSAID: Readonly<Record<string, number>> = {
  minimum: Number.MIN_SAFE_INTEGER,
  maximum: Number.MAX_SAFE_INTEGER,
}

/** The keywords whose values are schemas by name, lists of schemas, and schemas. */
const NAMED = ['properties', '$defs', 'patternProperties']
const LISTED = ['anyOf', 'oneOf', 'allOf', 'prefixItems']
const SINGLE = ['items', 'additionalProperties', 'propertyNames', 'not']

/** The JSON pointer to the options of a stage. */
function pointerTo(use: string): string {
  return `#/$defs/${use.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('%', '%25')}`
}

/** The schema without keywords that are only for Millrace, and those that say nothing. */
function clean(schema: OptionSchema): Schema {
  return mapped(schema as Schema, (part) => part)
}

/**
 * The schema of what may be written: a reference may stand wherever a value may. The schema itself is of a mapping.
 *
 * @param definitions the pointer to its `$defs`, where it will stand
 */
function withReferences(schema: OptionSchema, definitions = ''): Schema {
  return mapped(schema as Schema, (part) => withReference(moved(part, definitions)))
}

/** A recursive part refers to the `$defs` of its own schema, which stands elsewhere now. */
function moved(part: Schema, definitions: string): Schema {
  const text = JSON.stringify(part).replaceAll(
    '"$ref":"#/$defs/__',
    () => `"$ref":${JSON.stringify(`${definitions}__`).slice(0, -1)}`,
  )
  return JSON.parse(text)
}

/** Rewrites a schema: `change` gets the schema of every value that is part of its value. */
function mapped(schema: Schema, change: (part: Schema) => Schema): Schema {
  const inner = (part: unknown): unknown => (isSchema(part) ? change(mapped(part, change)) : part)
  const branch = (part: unknown): unknown => (isSchema(part) ? mapped(part, change) : part)
  return Object.fromEntries(
    Object.entries(schema).flatMap(([key, value]): [string, unknown][] => {
      if (['$schema', 'format', 'help', '~standard'].includes(key) || UNSAID[key] === value) return []
      if (key === 'propertyNames' && JSON.stringify(value) === '{"type":"string"}') return []
      if (NAMED.includes(key))
        return [[key, Object.fromEntries(Object.entries(value as Schema).map(([name, part]) => [name, inner(part)]))]]
      if (key === 'prefixItems') return [[key, (value as unknown[]).map(inner)]]
      if (LISTED.includes(key)) return [[key, (value as unknown[]).map(branch)]]
      if (SINGLE.includes(key)) return [[key, key === 'items' || key === 'additionalProperties' ? inner(value) : value]]
      return [[key, value]]
    }),
  )
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null
}

/** The keywords that tell users of a value, and do not judge it. */
const TELLING = ['description', 'markdownDescription', 'default', 'examples']

/** A schema that accepts a reference, too. */
function withReference(schema: Schema): Schema {
  if (takesAnyText(schema)) return schema
  const entries = Object.entries(schema)
  const told = Object.fromEntries(entries.filter(([key]) => TELLING.includes(key)))
  const judging = Object.fromEntries(entries.filter(([key]) => !TELLING.includes(key)))
  const branches = Object.keys(judging).length === 1 ? (judging.anyOf as Schema[] | undefined) : undefined
  return { ...told, anyOf: [...(branches ?? [judging]), toReference] }
}

function takesAnyText(schema: Schema): boolean {
  const { type, pattern, maxLength, anyOf } = schema
  if (Array.isArray(anyOf)) return anyOf.some(takesAnyText)
  if ('enum' in schema || 'const' in schema || 'oneOf' in schema || '$ref' in schema) return false
  if (type === undefined) return !('allOf' in schema)
  return type === 'string' && pattern === undefined && maxLength === undefined
}
