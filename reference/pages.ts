// Gives the built-in stages to the registry.
import '../index.js'
import type { Command } from 'commander'
import { errorCodes } from '../cli/error-codes.js'
import { makeProgram } from '../cli/program.js'
import { definitionSchema } from '../pipeline/definition/editor-schema.js'
import { type OptionSchema, optionSchema } from '../pipeline/definition/option-schema.js'
import { builtInStages } from '../pipeline/graph/registry.js'
import type { Ports } from '../pipeline/stage/port.js'
import type { AnyStage } from '../pipeline/stage/stage.js'
import { optionRows, table } from './option-table.js'
import { runDirectory } from './run-directory.js'

/** Where each family stands in a pipeline, in this order. */
const families: Readonly<Record<string, string>> = {
  load: 'read data',
  split: 'divide rows into splits',
  cache: 'keep loaded rows in files',
  normalize: 'bring features to one scale',
  batch: 'cut a split into batches',
  shuffle: 'order the rows or batches of an epoch',
  augment: 'change the rows of each batch',
  'gradient-step': 'train',
  evaluate: 'measure',
  check: 'check gradients',
  stop: 'end a run early',
  sink: 'write files',
}

const made = '<!-- Made by `npm run docs` from the schemas. Do not edit. -->'

/**
 * Returns the pages of `docs/reference`, by file name: an index, a page for each family of stages, the keys of a pipeline file, the
 * commands, the error codes and the files of a run directory. All of it comes from what checks the options.
 */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  const stages = [...(await builtInStages()).values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  const familyOf = ({ name }: AnyStage): string => name.split('/')[0]!
  const order = [...new Set([...Object.keys(families), ...stages.map(familyOf)])]
  const groups = order.map((family) => ({ family, members: stages.filter((stage) => familyOf(stage) === family) }))
  const present = groups.filter(({ members }) => members.length > 0)
  return new Map([
    ['README.md', indexPage(present)],
    ['pipeline.md', pipelinePage()],
    ['commands.md', commandsPage()],
    ['errors.md', errorsPage()],
    [
      'run-directory.md',
      page(
        'A run directory',
        'What a run writes into `runs/NAME-001`, or `--out DIR`. [Outputs](../outputs.md) explains the formats.',
        ...runDirectory(stages),
      ),
    ],
    ...present.map(({ family, members }) => [`${family}.md`, familyPage(family, members)] as const),
  ])
}

interface Group {
  readonly family: string
  readonly members: readonly AnyStage[]
}

function page(title: string, ...parts: readonly string[]): string {
  return `${[made, `# ${title}`, ...parts].join('\n\n')}\n`
}

function indexPage(groups: readonly Group[]): string {
  const rows = groups.flatMap(({ family, members }) =>
    members.map(({ name, summary }) => [`[\`${name}\`](${family}.md#${anchor(name)})`, summary]),
  )
  return page(
    'Reference',
    'Also: [the keys of a pipeline](pipeline.md), [the commands](commands.md), [the error codes](errors.md), [a run directory](run-directory.md).',
    table(['stage', 'what it does'], rows),
  )
}

function familyPage(family: string, members: readonly AnyStage[]): string {
  return page(
    `\`${family}/*\`: ${families[family] ?? 'further stages'}`,
    '[All stages](README.md)',
    ...members.map(stageSection),
  )
}

function stageSection(stage: AnyStage): string {
  const rows = optionRows(optionSchema(stage.options))
  return [
    `## ${stage.name}`,
    stage.summary,
    `- **inputs** ${ports(stage.inputs)}\n- **outputs** ${ports(stage.outputs)}\n- **holds** ${stage.holds ?? 'nothing'}`,
    rows.length > 0 ? table(['option', 'type', 'default', 'what it does'], rows) : 'It has no options.',
    `\`\`\`yaml\n${stage.example}\n\`\`\``,
  ].join('\n\n')
}

function ports(side: Ports): string {
  const names = Object.entries(side).map(([name, { type }]) =>
    name === type ? `\`${name}\`` : `\`${name}\` (${type})`,
  )
  return names.join(', ') || 'none'
}

function pipelinePage(): string {
  const { stages: _, patch: __, ...rest } = definitionSchema([]).properties as Record<string, OptionSchema>
  const { properties } = definitionSchema([]) as { readonly properties: Readonly<Record<string, OptionSchema>> }
  const lists = Object.entries(properties)
    .filter(([key]) => !(key in rest))
    .map(([key, { description = '' }]) => [`\`${key}\``, 'a list', '', description])
  const keys = optionRows({ type: 'object', properties: rest })
  return page(
    'The keys of a pipeline',
    'A YAML file has `stages`, or `extends`. [Pipelines](../pipelines.md) explains how they work together. Keys that begin with `x-` are yours.',
    table(['key', 'type', 'default', 'what it says'], [...keys, ...lists]),
    '## An entry of `stages`',
    table(
      ['key', 'what it says'],
      [
        ['`use`', 'The stage: a built-in one, a file (`./my-stage.js`) or a package.'],
        ['`id`', 'Its name, for `from`, `--set` and `patch`. Default: the last part of `use`.'],
        ['`with`', 'Its options.'],
        [
          '`from`',
          'Its inputs: an id, or a mapping of inputs to ids. Default: the nearest stage above with an output.',
        ],
      ],
    ),
  )
}

function commandsPage(): string {
  const nothing = (): void => {}
  const silent = {
    write: nothing,
    data: nothing,
    drained: async () => {},
    progress: nothing,
    warn: nothing,
    exit: nothing,
    draw: nothing,
    onResize: () => nothing,
  }
  const program = makeProgram({
    interactive: false,
    width: undefined,
    height: undefined,
    errorWidth: undefined,
    isClosed: false,
    ...silent,
  })
  return page(
    'The commands',
    'What `--help` of each command prints. [Commands that help](../commands.md) tells when to use which.',
    ...leaves(program, 'millrace').map(({ name, command }) => `## ${name}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``),
  )
}

/** The commands that do something, also those that have commands of their own, with their whole names. */
function leaves(command: Command, name: string): { name: string; command: Command }[] {
  return command.commands
    .filter((each) => !(each as unknown as { _hidden: boolean })._hidden)
    .flatMap((each) => {
      const whole = `${name} ${each.name()}`
      const isDoing = (each as unknown as { _actionHandler: unknown })._actionHandler !== null
      return [...(isDoing ? [{ name: whole, command: each }] : []), ...leaves(each, whole)]
    })
}

function helpOf(command: Command): string {
  let text = ''
  const add = (more: string): void => {
    text += more
  }
  command.configureOutput({ writeOut: add, getOutHelpWidth: () => 110 }).outputHelp()
  return text.trimEnd()
}

function errorsPage(): string {
  const sections = Object.entries(errorCodes).map(([code, { meaning, exit, example, fix }]) =>
    [`## ${code}`, meaning, `\`\`\`text\n${example}\n\`\`\``, `**What to do** ${fix}`, `Exit code ${exit}.`].join(
      '\n\n',
    ),
  )
  return page(
    'The error codes',
    '`millrace explain CODE` prints the same; programs find the code in `PipelineError.code`.',
    ...sections,
  )
}

/** The anchor that GitHub gives a heading. */
function anchor(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\w-]/g, '')
}
