import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { counted } from '../pipeline/base/words.js'

const ASSIGNMENT = /^[A-Za-z_][\w.-]*=/

/**
 * Makes a command with an argument too many say what to do if the argument looks like one more value of an option:
 * `--grid a=1 b=2`. Options such as `--grid` take one value each, because a pipeline may follow.
 */
export function explainExtraArguments(program: Command, argv: readonly string[]): void {
  const allow = (command: Command): void => {
    command.allowExcessArguments()
    command.commands.forEach(allow)
  }
  allow(program)
  program.hook('preAction', (_, command) => {
    // Its arguments are those of another command.
    if (command.name() === 'complete') return
    const { args, registeredArguments } = command
    const stray = args.find((arg) => ASSIGNMENT.test(arg) && !existsSync(arg))
    const most = registeredArguments.some(({ variadic }) => variadic)
      ? Number.POSITIVE_INFINITY
      : registeredArguments.length
    if (stray !== undefined) {
      const flag = flagBefore(stray, argv)
      command.error(`error: ${stray} belongs to no option; repeat ${flag} for each name: ${flag} ${stray}`)
    }
    if (args.length > most)
      command.error(`error: expected ${counted(most, 'argument')}, got ${args.length}: ${args.join(' ')}`)
  })
}

/** The option to which an assignment belongs: the last one before it that has an assignment, too. */
function flagBefore(stray: string, argv: readonly string[]): string {
  for (let at = argv.lastIndexOf(stray) - 1; at >= 0; at--) {
    const [flag, value] = argv[at]!.split('=', 2)
    if (
      /^--[a-z]/.test(flag!) &&
      ASSIGNMENT.test(value === undefined ? (argv[at + 1] ?? '') : argv[at]!.slice(flag!.length + 1))
    )
      return flag!
    if (!ASSIGNMENT.test(argv[at]!)) break
  }
  return '--set'
}
