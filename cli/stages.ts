import { builtInStages, resolveStage } from '../index.js'
import { formatType, optionSchema } from '../pipeline/definition/option-schema.js'
import { decideTrust } from '../pipeline/definition/trust.js'
import type { AnyStage, Ports } from '../pipeline/stage/stage.js'
import type { Output } from './output.js'

/** `millrace stages [name]`: the list, or all there is to know about one. */
export async function stagesCommand(
  name: string | undefined,
  flags: { readonly json?: boolean; readonly plugins?: boolean },
  output: Output,
): Promise<void> {
  if (name !== undefined) {
    const { plugins } = decideTrust(flags)
    const stage = await resolveStage(name, process.cwd(), plugins === false ? { plugins } : undefined)
    output.write(flags.json ? `${JSON.stringify(asData(stage))}\n` : explained(stage))
    return
  }
  const stages = [...(await builtInStages()).values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  if (flags.json) output.write(`${JSON.stringify(stages.map(asData))}\n`)
  else {
    const width = Math.max(...stages.map((stage) => stage.name.length))
    for (const stage of stages) output.write(`${stage.name.padEnd(width)}  ${stage.summary}\n`)
  }
}

function asData({ name, summary, options, inputs, outputs, example, holds }: AnyStage) {
  return { name, summary, inputs, outputs, holds: holds ?? null, options: optionSchema(options), example }
}

function explained(stage: AnyStage): string {
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
