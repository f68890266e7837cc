// Gives the built-in stages to the registry.
import '../index.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { definitionSchema, testsSchema } from '../pipeline/definition/editor-schema.js'
import { namedStages, usedStages } from '../pipeline/graph/used-stages.js'
import { type ReadingFlags, readOptions } from './options.js'
import type { Output } from './terminal.js'
import { writeOut } from './written-file.js'

/** `millrace schema [pipeline]`: prints the JSON Schema of pipeline files, with the stages of one pipeline if it is given. */
export async function schemaCommand(
  name: string | undefined,
  flags: ReadingFlags & { readonly out?: string; readonly force?: boolean; readonly tests?: boolean },
  output: Output,
): Promise<void> {
  if (flags.tests) {
    const text = schemaText(testsSchema())
    if (flags.out === undefined) return output.write(text)
    writeOut(flags.out, text, { force: flags.force, isOwn: isSchema })
    return output.write(`${shortPath(flags.out)}\n`)
  }
  const stages = await namedStages()
  const own = name === undefined ? [] : await usedStages(name, readOptions(flags))
  const further = own.filter(({ use }) => stages.every((known) => known.use !== use))
  const text = schemaText(definitionSchema([...stages, ...further]))
  if (flags.out === undefined) return output.write(text)
  writeOut(flags.out, text, { force: flags.force, isOwn: isSchema })
  output.write(
    `${shortPath(flags.out)}: ${counted(stages.length, 'stage')}${further.map(({ use }) => `, ${use}`).join('')}\n` +
      `In an editor with the YAML language server, this line on top of a pipeline uses it:\n# yaml-language-server: $schema=${shortPath(flags.out)}\n`,
  )
}

function schemaText(schema: unknown): string {
  return `${JSON.stringify(schema, undefined, 1)}\n`
}

/** Whether a text is a schema that this command wrote. */
function isSchema(text: string): boolean {
  return text.slice(0, 200).includes('"$id": "urn:millrace:')
}
