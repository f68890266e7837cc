import type { Command } from 'commander'
import { nearest } from '../pipeline/base/nearest.js'

/** The words of other programs, and the command that does the same here. */
const words: Readonly<Record<string, string>> = {
  'train fit start execute exec launch': 'run',
  'eval score accuracy validation benchmark': 'evaluate',
  'classify infer inference apply': 'predict',
  pytest: 'test',
  'lint verify dry-run': 'validate',
  'init new scaffold generate': 'create',
  'download get pull dataset datasets': 'fetch',
  'head show preview inspect data describe': 'peek',
  'list runs history': 'ls',
  'results metrics leaderboard compare': 'table',
  'tune grid search optimize optimise hpo cv cross-validate': 'sweep',
  'continue restart': 'resume',
  'onnx save convert': 'export',
  'draw dag viz visualize plan': 'graph',
  'stage operators ops nodes': 'stages',
  'params settings options': 'config',
  'plot ui html': 'report',
  'repro reproduce': 'rerun',
  'gradcheck grad-check': 'check-gradient',
  'why error': 'explain',
}

/** Makes an unknown command name the one that is meant: by the word of another program, a pipeline file, or its letters. */
export function suggestCommands(program: Command): void {
  program.on('command:*', ([name, ...rest]: [string, ...string[]]) => {
    const known = program.commands.map((command) => command.name())
    const meant = commandFor(name, known)
    const whole = meant === undefined || rest.length === 0 ? meant : `millrace ${[meant, ...rest].join(' ')}`
    const call = /\.ya?ml$/i.test(name) ? `millrace run ${name}` : whole
    program.error(
      `error: unknown command '${name}'\n(${call === undefined ? 'millrace --help lists the commands' : `Did you mean ${call}?`})`,
    )
  })
}

/** The command that a word stands for, or that has a similar name; undefined if there is none. */
function commandFor(name: string, known: readonly string[]): string | undefined {
  const entry = Object.entries(words).find(([keys]) => keys.split(' ').includes(name.toLowerCase()))
  return entry?.[1] ?? nearest(name, known)
}
