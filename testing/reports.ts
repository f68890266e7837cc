import { stringify } from 'yaml'
import { escapeXml } from '../figures/svg.js'
import { nonFiniteAsText } from '../pipeline/base/json.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { shortPath } from '../pipeline/base/words.js'
import { failureLines } from './failure-text.js'
import type { ReportFormat } from './formats.js'
import type { TestResult } from './run-test.js'

const marks = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' } as const

/** The lines of one result for people. */
export function specOf({ name, status, reason, seconds, stages, failures }: TestResult): string {
  const time = seconds >= 0.1 ? ` (${seconds.toFixed(1)} s)` : ''
  const head = `  ${marks[status]}  ${oneLine(name)}${reason === undefined ? time : `: ${oneLine(reason)}`}`
  const ran = stages.length > 0 ? [`stages that ran: ${stages.join(', ')}`] : []
  const lines = status === 'failed' ? [...linesOf(failures), ...ran] : []
  return [head, ...lines.map((line) => `        ${line}`)].map((line) => `${line.trimEnd()}\n`).join('')
}

/** All failures of a test; the input stands once. */
function linesOf(failures: TestResult['failures']): string[] {
  return failures.flatMap((failure, i) => failureLines(failure, i === 0))
}

/** The last line for people: how many passed, failed and were skipped. */
export function summaryOf(results: readonly TestResult[]): string {
  const count = (status: TestResult['status']) => results.filter((result) => result.status === status).length
  const others = (['failed', 'skipped'] as const)
    .map((status) => [status, count(status)] as const)
    .filter(([, n]) => n > 0)
  return [`${count('passed')} passed`, ...others.map(([status, n]) => `${n} ${status}`)].join(', ')
}

/** All results in one text. */
export function reportOf(results: readonly TestResult[], format: ReportFormat): string {
  return { spec: allSpec, tap, junit, json }[format](results)
}

function allSpec(results: readonly TestResult[]): string {
  const files = [...new Set(results.map(({ file }) => file))]
  const parts = files.map(
    (file) =>
      `${shortPath(file)}\n${results
        .filter((result) => result.file === file)
        .map(specOf)
        .join('')}`,
  )
  return `${parts.join('')}${summaryOf(results)}\n`
}

/** TAP, version 14. */
function tap(results: readonly TestResult[]): string {
  const lines = results.flatMap((result, i) => {
    const { status, name, reason, failures, where, seconds } = result
    // "#" begins a directive.
    const title = `${shortPath(result.file)}: ${oneLine(name)}`.replaceAll(/[\\#]/g, '\\$&')
    const skip = status === 'skipped' ? ` # SKIP ${oneLine(reason ?? '')}` : ''
    const head = `${status === 'failed' ? 'not ok' : 'ok'} ${i + 1} - ${title}${skip}`
    if (status !== 'failed') return [head]
    const about = stringify({
      at: where,
      seconds,
      failures: failures.map((failure, j) => failureLines(failure, j === 0).join('\n')),
    })
    return [
      head,
      '  ---',
      ...about
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
      '  ...',
    ]
  })
  return `${['TAP version 14', `1..${results.length}`, ...lines].join('\n')}\n`
}

/** JUnit's XML, as build servers read it. */
function junit(results: readonly TestResult[]): string {
  const files = [...new Set(results.map(({ file }) => file))]
  const suites = files.map((file) => {
    const own = results.filter((result) => result.file === file)
    const count = (status: TestResult['status']) => own.filter((result) => result.status === status).length
    const cases = own.map((result) => {
      const head = `    <testcase${attributes({ name: result.name, classname: shortPath(file), file: shortPath(file), line: lineOf(result.where), time: result.seconds.toFixed(3) })}`
      if (result.status === 'passed') return `${head}/>`
      const inner =
        result.status === 'skipped'
          ? `<skipped${attributes({ message: result.reason ?? '' })}/>`
          : `<failure${attributes({ message: result.failures[0]!.message })}>${xml(linesOf(result.failures).join('\n'))}</failure>`
      return `${head}>\n      ${inner}\n    </testcase>`
    })
    const time = own.reduce((sum, { seconds }) => sum + seconds, 0).toFixed(3)
    const about = {
      name: shortPath(file),
      tests: own.length,
      failures: count('failed'),
      skipped: count('skipped'),
      time,
    }
    return [`  <testsuite${attributes(about)}>`, ...cases, '  </testsuite>'].join('\n')
  })
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join('\n')}\n</testsuites>\n`
}

function lineOf(where: string): string {
  return /:(\d+):\d+$/.exec(where)?.[1] ?? '1'
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${xml(String(value))}"`)
    .join('')
}

/** Text for XML, which has no place for most control characters. */
function xml(text: string): string {
  return text
    .split('\n')
    .map((line) => escapeXml(oneLine(line)))
    .join('\n')
}

function json(results: readonly TestResult[]): string {
  const count = (status: TestResult['status']) => results.filter((result) => result.status === status).length
  const tests = results.map(({ failures, ...result }) => ({
    ...result,
    file: shortPath(result.file),
    pipelineFile: shortPath(result.pipelineFile),
    failures: failures.map(({ update: _, ...failure }) => failure),
  }))
  return `${JSON.stringify({ passed: count('passed'), failed: count('failed'), skipped: count('skipped'), tests }, nonFiniteAsText)}\n`
}
