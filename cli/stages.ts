// Gives the built-in stages to the registry.
import '../index.js'
import { textColumns } from '../pipeline/base/text-table.js'
import { formatType, optionSchema } from '../pipeline/definition/option-schema.js'
import { decideTrust } from '../pipeline/definition/trust.js'
import { builtInStages, resolveStage } from '../pipeline/graph/registry.js'
import type { Ports } from '../pipeline/stage/port.js'
import type { AnyStage } from '../pipeline/stage/stage.js'
import type { Output } from './terminal.js'

/** `millrace stages [name]`: lists the stages, or explains one. */
export async function stagesCommand(
  name: string | undefined,
  flags: { readonly json?: boolean; readonly plugins?: boolean },
  output: Output,
): Promise<void> {
  if (name !== undefined) {
    const { plugins } = decideTrust(flags)
    const stage = await resolveStage(name, process.cwd(), plugins === false ? { plugins } : undefined)
    output.write(flags.json ? `${JSON.stringify(stageData(stage))}\n` : explanation(stage))
    return
  }
  const stages = [...(await builtInStages()).values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  if (flags.json) output.write(`${JSON.stringify(stages.map(stageData))}\n`)
  else for (const line of textColumns(stages.map((stage) => [stage.name, stage.summary]))) output.write(`${line}\n`)
}

function stageData({ name, summary, options, inputs, outputs, example, holds }: AnyStage) {
  return { name, summary, inputs, outputs, holds: holds ?? null, options: optionSchema(options), example }
}

function explanation(stage: AnyStage): string {
  const schema = optionSchema(stage.options)
  const options = Object.entries(schema.properties ?? {}).flatMap(([name, option]) => {
    const isRequired = schema.required?.includes(name)
    const fallback =
      option.default === undefined
        ? isRequired
          ? 'required'
          : 'optional'
        : `default ${JSON.stringify(option.default)}`
    return [
      `  ${name}: ${formatType(option)} (${fallback})`,
      ...(option.description ? [`      ${option.description}`] : []),
    ]
  })
  return [
    `${stage.name}: ${stage.summary}`,
    '',
    `inputs:  ${ports(stage.inputs)}`,
    `outputs: ${ports(stage.outputs)}`,
    `holds:   ${stage.holds ?? 'nothing'}`,
    '',
    options.length > 0 ? 'options:' : 'options: none',
    ...options,
    '',
    'example:',
    ...stage.example.split('\n').map((line) => `  ${line}`),
    '',
  ].join('\n')
}

function ports(side: Ports): string {
  return (
    Object.entries(side)
      .map(([name, { type }]) => (name === type ? name : `${name} (${type})`))
      .join(', ') || 'none'
  )
}
