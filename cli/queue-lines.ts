import { oneLine } from '../pipeline/base/plain-text.js'
import { textColumns } from '../pipeline/base/text-table.js'
import { counted } from '../pipeline/base/words.js'
import type { SweepStatus } from '../sweep/queue/index.js'

/** The lines of a table of sweeps with the numbers of their points. */
export function statusLines(sweeps: readonly SweepStatus[]): string[] {
  const rows = sweeps.map(({ name, total, done, failed, running, waiting }) =>
    [oneLine(name), total, done, failed, running, waiting].map(String),
  )
  const head = ['sweep', 'points', 'done', 'failed', 'running', 'waiting']
  return textColumns([head, ...rows], (column) => column > 0)
}

/** One line about a sweep. */
export function statusLine({ name, total, done, failed, running, waiting }: SweepStatus): string {
  const failures = failed > 0 ? `, ${failed} failed` : ''
  return `${oneLine(name)}: ${done} of ${counted(total, 'point')} done${failures}, ${running} running, ${waiting} waiting`
}
