import { textColumns } from '../pipeline/base/text-table.js'
import type { GradientCheck } from '../stages/check/table.js'

/** The verdicts as a table, the errors over `h` as another, and what they come to. */
export function formatChecks(checks: readonly GradientCheck[], title: string): string {
  const judged = checks.filter(({ verdict }) => verdict !== null)
  const failed = judged.filter(({ verdict }) => verdict === 'fail').length
  const verdict = failed === 0 ? `all ${judged.length} checks pass` : `${failed} of ${judged.length} checks fail`
  return `${[title, scope(judged), '', ...columns(judged.map(verdictRow)), '', ...curve(checks), '', verdict].join('\n')}\n`
}

/** On how much of the data and of the model. */
function scope(judged: readonly GradientCheck[]): string {
  const counted = (array: string) => judged.find((check) => check.array === array && check.h !== null)!
  const [W, b] = [counted('W'), counted('b')]
  const [sampled, all] = [W.count / b.size, W.size / b.size].map(grouped)
  const what = W.count === W.size ? `all ${all} features` : `${sampled} of ${all} features sampled`
  const parameters = `${grouped(W.count + b.count)} of ${grouped(W.size + b.size)} parameters`
  return `${grouped(W.examples)} examples, ${what}: ${W.count === W.size ? `all ${grouped(W.size + b.size)} parameters` : parameters}`
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
    worst: `[${check.worst.join(', ')}]`,
    threshold: `${exponential(check.threshold)} ${kind}`,
    verdict: check.verdict ?? '',
  }
}

/** The largest absolute error at every `h`, of the first gradient. */
function curve(checks: readonly GradientCheck[]): string[] {
  const { gradient, lambda } = checks[0]!
  const ofFirst = checks.filter((check) => check.gradient === gradient && check.lambda === lambda && check.h !== null)
  const rows = [...new Set(ofFirst.map(({ h }) => h!))].map((h) => {
    const cells = ofFirst
      .filter((check) => check.h === h)
      .map((check) => [`${check.array} ${check.method}`, error(check.max_absolute_error)])
    return { h: exponential(h), ...(Object.fromEntries(cells) as Record<string, string>) }
  })
  return [`largest absolute error by h (${gradient}, lambda ${lambda}):`, ...columns(rows)]
}

/** Rows in columns as wide as they need; a trailing `_` keeps two headings of the same name apart. */
function columns(rows: readonly Record<string, string>[]): string[] {
  const names = Object.keys(rows[0]!)
  return textColumns([
    names.map((name) => name.replace(/_$/, '')),
    ...rows.map((row) => names.map((name) => row[name]!)),
  ])
}

const error = (value: number): string => value.toExponential(1)
const exponential = (value: number): string => value.toExponential()
const grouped = (value: number): string => value.toLocaleString('en-US')
