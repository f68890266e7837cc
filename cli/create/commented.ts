import { stringify } from 'yaml'
import { oneLine } from '../../pipeline/base/plain-text.js'
import { defaultId } from '../../pipeline/definition/entries.js'
import { formatType, type OptionSchema, optionSchema } from '../../pipeline/definition/option-schema.js'
import type { NewEntry } from './wiring.js'

/** The width of the text, in columns. */
const WIDTH = 110

/** What stands at the top of a new pipeline. */
export interface Head {
  /** The name of the pipeline. */
  readonly name: string
  /** Lines of comment, without `# `. */
  readonly remarks: readonly string[]
  /** The path of the JSON Schema, if an editor finds it there. */
  readonly schema?: string | undefined
  /** The most memory for rows. */
  readonly memory?: string | undefined
}

/**
 * Writes a pipeline as YAML with all options of all stages: those that are set, and behind `#` those that are not, with their
 * defaults. Above each stands what it does and what it may be.
 *
 * @param notes what was found out about single options, by stage and option: `load/csv.label`
 */
export function commentedPipeline(
  { name, remarks, schema, memory }: Head,
  entries: readonly NewEntry[],
  notes: Readonly<Record<string, string>> = {},
): string {
  const lines = [
    ...comment([...remarks, 'Lines that begin with # and no space are options with their defaults.'], ''),
    ...(schema === undefined ? [] : [`# yaml-language-server: $schema=${schema}`]),
    `name: ${yaml(name)}`,
    'seed: 1',
    ...(memory === undefined ? [] : [`memory: ${yaml(memory)}`]),
    '',
    'stages:',
  ]
  for (const [i, entry] of entries.entries())
    lines.push(...(i > 0 ? [''] : []), ...entryLines(entry, entries.slice(0, i), notes))
  return `${lines.join('\n')}\n`
}

function entryLines(entry: NewEntry, above: readonly NewEntry[], notes: Readonly<Record<string, string>>): string[] {
  const { use, stage, id, from, isAdded } = entry
  const options = Object.entries(optionSchema(stage.options).properties ?? {})
  const isDefault = id === defaultId(use, above as never)
  const why = isAdded ? ' Added, because a stage below needs it.' : ''
  return [
    ...comment([`${stage.summary}${why}`], '  '),
    `  - use: ${yaml(use)}`,
    ...(isDefault ? [] : [`    id: ${id}`]),
    ...(from === undefined ? [] : [`    from: ${yaml(from)}`]),
    ...(options.length === 0 ? [] : ['    with:']),
    ...options.flatMap(([name, schema]) => optionLines(name, schema, entry, notes[`${use}.${name}`])),
  ]
}

function optionLines(name: string, schema: OptionSchema, entry: NewEntry, note: string | undefined): string[] {
  const { required = [] } = optionSchema(entry.stage.options)
  const isSet = Object.hasOwn(entry.with, name)
  const { description = '', default: fallback } = schema
  const standing = required.includes(name)
    ? 'required'
    : fallback === undefined
      ? 'not set by default'
      : isSet
        ? `default ${yaml(fallback)}`
        : 'default'
  const told = [description, `(${formatType(schema)}; ${standing})`, note].filter(Boolean).join(' ')
  const value = isSet ? entry.with[name] : fallback
  const written = `${yaml(name)}:${value === undefined ? '' : ` ${yaml(value)}`}`
  return [...comment([told], '      '), `      ${isSet ? '' : '#'}${written}`]
}

/** A value on one line. */
function yaml(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim().replaceAll('\n', ' ')
}

/** Comment lines of limited width. */
function comment(paragraphs: readonly string[], indent: string): string[] {
  return paragraphs.flatMap((paragraph) => {
    const lines: string[] = []
    let line = ''
    for (const word of oneLine(paragraph.replaceAll(/\s+/g, ' ').trim()).split(' ')) {
      if (line !== '' && indent.length + 2 + line.length + 1 + word.length > WIDTH) {
        lines.push(line)
        line = word
      } else line = line === '' ? word : `${line} ${word}`
    }
    return [...lines, line].map((text) => `${indent}# ${text}`)
  })
}
