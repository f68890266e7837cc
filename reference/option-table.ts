import { formatType, type OptionSchema } from '../pipeline/definition/option-schema.js'

/**
 * The rows of a table of options: name, type with range, default, description. Keys of a mapping follow their option as `option.key`; of an
 * option with alternatives, these are the keys of its mappings.
 */
export function optionRows(schema: OptionSchema, prefix = ''): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, option]) => {
    const required = schema.required?.includes(name) && option.default === undefined
    const fallback = option.default === undefined ? (required ? 'required' : '') : code(JSON.stringify(option.default))
    const row = [code(prefix + name), cell(typeOf(option)), fallback, cell(option.description ?? '')]
    return [row, ...innerRows(option, `${prefix}${name}.`)]
  })
}

/** The type of an option, without the references that may stand for it. */
function typeOf(option: OptionSchema): string {
  return formatType(option)
    .replace(', a value or ', ' or ')
    .replace(/ or a value$/, '')
}

/** The described keys of the mappings that an option may be. */
function innerRows(option: OptionSchema, prefix: string): string[][] {
  const branches = [option, ...(option.anyOf ?? []), ...(option.oneOf ?? [])]
  const seen = new Set<string>()
  return branches.flatMap((branch) => {
    const described = Object.entries(branch.properties ?? {}).filter(([key, { description, properties, anyOf }]) => {
      const isNew = !seen.has(key) && (description ?? properties ?? anyOf) !== undefined
      seen.add(key)
      return isNew
    })
    return optionRows({ ...branch, properties: Object.fromEntries(described) }, prefix)
  })
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``
}

/** A text in a cell: on one line, with nothing that Markdown would take for a column or for HTML. */
function cell(text: string): string {
  const [parts, quoted] = [text.replaceAll(/\s+/g, ' ').split(/(`[^`]*`)/), /^`/]
  return parts
    .map((part) =>
      (quoted.test(part) ? part : part.replaceAll('<', '&lt;').replaceAll('*', '\\*')).replaceAll('|', '\\|'),
    )
    .join('')
}
