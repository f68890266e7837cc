import { readFileSync } from 'node:fs'
import { optionSchema } from '../pipeline/definition/option-schema.js'
import { RUN_NOTES } from '../pipeline/files/output-path.js'
import { SOCKET } from '../pipeline/live/socket-place.js'
import type { AnyStage } from '../pipeline/stage/stage.js'
import { table } from './option-table.js'

/** What lies in every run directory, whatever its sinks. */
const always = [
  ['`pipeline.yaml`', 'the run', 'The definition as it ran, with its vars. It runs again as it is, or with `--set`.'],
  ['`run.json`', 'the run', 'Status, versions, seed, checksums of the data, times: the keys are below.'],
  [
    '`checkpoint/`',
    'the run',
    '`step-N.safetensors`: the state after step N, for `resume`. The newest two are kept; `checkpoint: none` writes none.',
  ],
  ['`lock`', 'the run', 'Which process writes here. It goes when the run ends.'],
  [`\`${SOCKET}\``, 'the run', 'The socket of `top`, `tap` and the dashboard. It goes when the run ends.'],
  [`\`${RUN_NOTES}\``, '`run --tag`, `run --note`, `tag`, `note`', 'Tags and a note. Only people change them.'],
]

/** The parts of the page on a run directory: its files, by the sinks that write them, and the keys of `run.json`. */
export function runDirectory(stages: readonly AnyStage[]): string[] {
  const sinks = stages.flatMap(({ name, options, summary }) => {
    const path = optionSchema(options).properties?.path
    if (!name.startsWith('sink/') || !path) return []
    const text = path.description ?? ''
    const file = path.default ?? /`([^`]+)`/.exec(text)?.[1]
    return [[`\`${file}${endingOf(name, text)}\``, `\`${name}\``, summary.replaceAll('|', '\\|')]]
  })
  return [
    table(['file', 'written by', 'what it is'], [...always, ...sinks]),
    '## The keys of `run.json`',
    'Times are in seconds.',
    table(['key', 'what it says'], recordKeys()),
  ]
}

function endingOf(stage: string, description: string): string {
  if (description.startsWith('Folder')) return '/'
  return description.includes('only this format')
    ? stage === 'sink/predictions' || stage === 'sink/confusion'
      ? '.svg, .png, .csv'
      : '.svg, .png'
    : ''
}

/** The keys of the record of a run with their docstrings, read from its source. */
function recordKeys(): string[][] {
  const source = readFileSync('pipeline/run/record.ts', 'utf8')
  const [, body = ''] = /^export interface RunRecord \{\n(.*?)^\}/ms.exec(source) ?? []
  const members = [...body.matchAll(/^( +)\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n +readonly (\w+)\??:/gm)]
  let above = ''
  return members.map(([, indent, text, name]) => {
    if (indent!.length === 2) above = name!
    return [
      `\`${indent!.length === 2 ? name : `${above}.${name}`}\``,
      text!
        .replaceAll(/\s*\n\s*\*\s*/g, ' ')
        .trim()
        .replaceAll('|', '\\|'),
    ]
  })
}
