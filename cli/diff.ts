import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { textColumns } from '../pipeline/base/text-table.js'
import { cut, shortPath } from '../pipeline/base/words.js'
import { differenceOf, type MetricDifference, type RunDifference, type ValueDifference } from '../report/index.js'
import { formatterOf } from '../report/metric-format.js'
import type { Output } from './terminal.js'

/** The flags of `millrace diff`. */
export interface DiffFlags {
  /** True if the difference is printed as JSON. */
  readonly json?: boolean
}

/** `millrace diff`: prints what differs between two runs. Returns whether they are the same, as exit code 0 or 1 says. */
export async function diffCommand(before: string, after: string, flags: DiffFlags, output: Output): Promise<boolean> {
  let difference: RunDifference
  try {
    difference = await differenceOf(before, after)
  } catch (error) {
    // As of `diff`, exit code 1 means that the runs differ. Runs that cannot be read are trouble: exit code 2.
    if (error instanceof PipelineError) throw new PipelineError('ARGUMENTS', error.problems, { cause: error })
    throw error
  }
  if (flags.json) output.write(`${JSON.stringify({ before, after, ...difference })}\n`)
  else output.write(formatDifference(shortPath(before), shortPath(after), difference))
  return difference.isEqual
}

function formatDifference(before: string, after: string, difference: RunDifference): string {
  const { isEqual, definition, data, rows, environment, metrics, files, remarks } = difference
  const options = definition.map(({ option, before, after }) => {
    const side = (of: typeof before): string =>
      of === undefined ? 'none' : `${valueText(of.value)}${of.line === undefined ? '' : ` (line ${of.line})`}`
    return `${option}: ${side(before)} → ${side(after)}`
  })
  const content = data.map(({ file, before, after }) => {
    const side = (of: typeof before): string =>
      of ? `${of.bytes} bytes, SHA-256 ${of.sha256.slice(0, 12)}` : 'not read'
    return `${file}: ${side(before)} → ${side(after)}`
  })
  const lines = [
    `${before} → ${after}: ${isEqual ? 'the same' : 'different'}`,
    ...section('definition', options),
    ...section('data', [...content, ...rows.map(valueLine)]),
    ...section('environment', environment.map(valueLine)),
    ...section('metrics', metricLines(metrics)),
    ...section(`files (${files.compared} compared)`, files.differing),
    ...remarks.map((remark) => `note: ${remark}`),
  ]
  return `${lines.map(oneLine).join('\n')}\n`
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [`${title}: the same`] : [`${title}:`, ...lines.map((line) => `  ${line}`)]
}

function valueLine({ what, before = 'none', after = 'none' }: ValueDifference): string {
  return `${what}: ${cut(before)} → ${cut(after)}`
}

function valueText(value: unknown): string {
  return cut(typeof value === 'string' ? value : JSON.stringify(value))
}

function metricLines(metrics: readonly MetricDifference[]): string[] {
  const shown = metrics.filter(({ first }) => first)
  if (shown.length === 0) return []
  const rows = shown.map(({ column, info, before, after, first }) => {
    const format = (value: number | undefined): string => (value === undefined ? '–' : formatterOf(info)(value))
    const best = [before, after].map((of) =>
      of?.best === undefined ? '–' : `${format(of.best)} (epoch ${of.bestEpoch})`,
    )
    return [
      cut(column),
      `${format(before?.final)} → ${format(after?.final)}`,
      best.join(' → '),
      `epoch ${first!.epoch}, step ${first!.step}`,
    ]
  })
  return textColumns([['', 'last', 'best', 'differs from'], ...rows])
}
