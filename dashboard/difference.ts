import { changesBetween, compareRuns, type Difference, readRecord, readRunText } from '../report/index.js'
import type { RunDifference } from './contract.js'

/** Compares two runs: settings, circumstances, last and first metrics. Throws a PipelineError if one cannot be read. */
export function differenceOf(first: string, second: string): RunDifference {
  const [a, b] = [sideOf(first), sideOf(second)]
  const names = [...new Set([...Object.keys(a.settings), ...Object.keys(b.settings)])]
  const settings = names.flatMap((name): [string, string, string][] => {
    const [x, y] = [a.settings[name], b.settings[name]].map(textOf) as [string, string]
    return x === y ? [] : [[name, x, y]]
  })
  // The definitions of two runs differ as a rule; what differs in them stands above.
  const circumstances = changesBetween(a.record, b.record, a.record.definition ?? '').map(rowOf)
  const compared = compareRuns(first, second, a.record)
  return {
    groups: [
      { title: 'Definition', rows: settings },
      { title: 'Data and environment', rows: circumstances },
      { title: 'First difference of the metrics', rows: compared.first ? [cellRow(compared.first)] : [] },
    ],
    remarks: [
      ...(compared.differing.length > 0 ? [`Files that differ: ${compared.differing.join(', ')}`] : []),
      `${compared.files.length} files and ${compared.rows} evaluations were compared.`,
    ],
  }
}

function sideOf(directory: string) {
  const record = readRecord(directory)
  return { record, settings: readRunText(directory, record.changes, []).settings }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '–')
}

/** `seed: was 1, is 2` in three cells. */
function rowOf(change: string): [string, string, string] {
  const [, what = change, was = '', is = ''] = /^(.+?): was (.*), is (.*)$/s.exec(change) ?? []
  return [what, was, is]
}

function cellRow({ file, at, column, before, after }: Difference): [string, string, string] {
  const place = Object.entries(at)
    .map((pair) => pair.join(' '))
    .join(', ')
  return [`${file}, ${place}${column === undefined ? '' : `: ${column}`}`, before ?? '–', after ?? '–']
}
