// Gives the built-in stages to the registry.
import '../index.js'
import type { Command } from 'commander'
import { builtInNames } from '../pipeline/definition/find.js'
import { keysOf } from '../pipeline/definition/issues.js'
import { optionSchema } from '../pipeline/definition/option-schema.js'
import { DefinitionProblems, readDefinition } from '../pipeline/definition/read.js'
import { builtInStages } from '../pipeline/graph/registry.js'
import { errorCodes } from './error-codes.js'
import { catalogue } from './fetch-catalogue.js'

/**
 * What may stand in the place of the last of `words`, which follow `millrace` on a command line. Each begins with what is there
 * already. Empty where files are meant: shells know those themselves. Never rejects.
 */
export async function candidates(program: Command, words: readonly string[]): Promise<string[]> {
  const current = words.at(-1) ?? ''
  const { command, positionals, flag } = stateOf(program, words.slice(0, -1))
  const found =
    flag === undefined
      ? await wordsOf(program, command, positionals, current)
      : await valuesOf(command, flag, positionals)
  return [...new Set(found)].filter((word) => word.startsWith(current)).sort()
}

/** Where a command line stands: its command, the arguments so far, and the option that waits for its value. */
interface State {
  readonly command: Command
  readonly positionals: readonly string[]
  readonly flag: string | undefined
}

function stateOf(program: Command, before: readonly string[]): State {
  let command = program
  const positionals: string[] = []
  let flag: string | undefined
  for (const word of before) {
    if (flag !== undefined) flag = undefined
    else if (word.startsWith('-')) flag = takesValue(command, word) ? word : undefined
    else {
      const next = positionals.length === 0 ? command.commands.find((each) => each.name() === word) : undefined
      if (next) command = next
      else positionals.push(word)
    }
  }
  return { command, positionals, flag }
}

function takesValue(command: Command, word: string): boolean {
  const option = command.options.find(({ long, short }) => word === long || word === short)
  return option !== undefined && (option.required || option.optional)
}

async function wordsOf(
  program: Command,
  command: Command,
  positionals: readonly string[],
  current: string,
): Promise<string[]> {
  if (current.startsWith('-')) {
    const options = [
      ...command.options,
      ...(command === program ? [] : program.options.filter(({ long }) => long !== '--version')),
    ]
    return [...options.filter(({ hidden }) => !hidden).map(({ long }) => long ?? ''), '--help']
  }
  const own = positionals.length === 0 ? command.createHelp().visibleCommands(command) : []
  return [...own.map((each) => each.name()), ...(await argumentsOf(command, positionals.length, current))]
}

/** What may stand in the place of an argument of a command. */
async function argumentsOf(command: Command, place: number, current: string): Promise<readonly string[]> {
  const { registeredArguments: all } = command
  const argument = all[place] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined)
  if (argument?.argChoices) return argument.argChoices
  if (argument && /^(pipeline|target)/.test(argument.name())) return builtInNames()
  const written = current.slice(0, current.lastIndexOf(',') + 1)
  const names: Readonly<Record<string, () => Promise<string[]> | string[]>> = {
    'stages name': stageNames,
    'explain name': async () => [...(await stageNames()), ...Object.keys(errorCodes)],
    'fetch name': () => Object.keys(catalogue),
    'create stages': async () => (await stageNames()).map((name) => written + name),
  }
  return names[`${command.name()} ${argument?.name()}`]?.() ?? []
}

async function valuesOf(command: Command, flag: string, [pipeline]: readonly string[]): Promise<readonly string[]> {
  const option = command.options.find(({ long, short }) => flag === long || flag === short)
  if (option?.argChoices) return option.argChoices
  if (flag === '--load') return (await stageNames()).filter((name) => name.startsWith('load/'))
  if (pipeline === undefined) return []
  if (['--wire', '--after'].includes(flag)) return idsOf(pipeline)
  return ['--set', '--grid', '--over'].includes(flag) ? settingsOf(pipeline) : []
}

async function stageNames(): Promise<string[]> {
  return [...(await builtInStages()).keys()]
}

/** The ids of the stages of a pipeline. */
function idsOf(pipeline: string): string[] {
  try {
    return definitionIn(pipeline).stages.map(({ id }) => id)
  } catch {
    return []
  }
}

/** What `--set` can set in a pipeline: `eta=`, `model.eta=`. */
async function settingsOf(pipeline: string): Promise<string[]> {
  try {
    const { vars, stages } = definitionIn(pipeline)
    const known = await builtInStages()
    const options = stages.flatMap(({ id, use }) => {
      const stage = known.get(use)
      return stage ? keysOf(optionSchema(stage.options)).map((option) => `${id}.${option}`) : []
    })
    return [...vars.keys(), 'seed', ...options].map((name) => `${name}=`)
  } catch {
    return []
  }
}

function definitionIn(pipeline: string) {
  try {
    return readDefinition(pipeline)
  } catch (error) {
    if (error instanceof DefinitionProblems) return error.definition
    throw error
  }
}
