import { textColumns } from '../pipeline/base/text-table.js'
import type { GradientCheck } from '../stages/check/table.js'

/** Formats the verdicts as a table, the errors by `h` as a second table, and a summary. */
export function formatChecks(checks: readonly GradientCheck[], title: string): string {
  const judged = checks.filter(({ verdict }) => verdict !== null)
  const verdicts = columns(judged.map(verdictRow))
  const lines = [title, scope(judged), ...kinks(judged), '', ...verdicts, '', ...curve(checks), '', summary(judged)]
  return `${lines.join('\n')}\n`
}

/** Counts the checks that pass, fail and could not be made. A gradient that was not checked never counts as passed. */
function summary(judged: readonly GradientCheck[]): string {
  const count = (verdict: GradientCheck['verdict']): number =>
    judged.filter((check) => check.verdict === verdict).length
  const [passed, failed, unchecked] = [count('pass'), count('fail'), count('unchecked')]
  if (unchecked > 0) return `${passed} of ${judged.length} checks pass, ${failed} fail, ${unchecked} could not be made`
  return failed === 0 ? `all ${judged.length} checks pass` : `${failed} of ${judged.length} checks fail`
}

/** The number of examples and of parameters that were checked. */
function scope(judged: readonly GradientCheck[]): string {
  const arrays = [...new Map(judged.filter(({ h }) => h !== null).map((check) => [check.array, check])).values()]
  const [counted, all] = [
    arrays.reduce((sum, { count, kinks }) => sum + count + kinks, 0),
    arrays.reduce((sum, { size }) => sum + size, 0),
  ]
  const examples = `${grouped(arrays[0]?.examples ?? 0)} examples`
  const names = arrays.map(({ array, count, kinks, size }) =>
    count + kinks === size
      ? `all ${grouped(size)} of ${array}`
      : `${grouped(count + kinks)} of ${grouped(size)} of ${array}, sampled`,
  )
  const share = counted === all ? `all ${grouped(all)}` : `${grouped(counted)} of ${grouped(all)}`
  return `${examples}, ${share} parameters: ${names.join('; ')}`
}

/** Says how many elements were left out, if any were. */
function kinks(judged: readonly GradientCheck[]): string[] {
  const most = Math.max(...judged.map(({ kinks }) => kinks))
  return most > 0 ? [`up to ${grouped(most)} elements of an array were left out, next to a kink of the loss`] : []
}

function verdictRow(check: GradientCheck): Record<string, string> {
  const kind = check.h === null ? 'relative' : 'absolute'
  return {
    gradient: check.gradient,
    lambda: String(check.lambda),
    array: check.array,
    against: check.method,
    h: check.h === null ? '' : exponential(check.h),
    'max error': error(check.max_absolute_error),
    mean: error(check.mean_absolute_error),
    'max relative': error(check.max_relative_error),
    mean_: error(check.mean_relative_error),
    worst: check.worst.length > 0 ? `[${check.worst.join(', ')}]` : '',
    threshold: check.verdict === 'unchecked' ? '' : `${exponential(check.threshold)} ${kind}`,
    verdict: check.verdict ?? '',
  }
}

/** The largest absolute error of the first gradient at every `h`. */
function curve(checks: readonly GradientCheck[]): string[] {
  const { gradient, lambda } = checks.find(({ h }) => h !== null)!
  const ofFirst = checks.filter((check) => check.gradient === gradient && check.lambda === lambda && check.h !== null)
  const rows = [...new Set(ofFirst.map(({ h }) => h!))].map((h) => {
    const cells = ofFirst
      .filter((check) => check.h === h)
      .map((check) => [`${check.array} ${check.method}`, error(check.max_absolute_error)])
    return { h: exponential(h), ...(Object.fromEntries(cells) as Record<string, string>) }
  })
  return [`largest absolute error by h (${gradient}, lambda ${lambda}):`, ...columns(rows)]
}

/** Aligns rows in columns. A trailing `_` in a heading is not shown; it allows two headings with the same text. */
function columns(rows: readonly Record<string, string>[]): string[] {
  const names = Object.keys(rows[0]!)
  return textColumns([
    names.map((name) => name.replace(/_$/, '')),
    ...rows.map((row) => names.map((name) => row[name]!)),
  ])
}

const error = (value: number): string => (Number.isNaN(value) ? '' : value.toExponential(1))
const exponential = (value: number): string => value.toExponential()
const grouped = (value: number): string => value.toLocaleString('en-US')
