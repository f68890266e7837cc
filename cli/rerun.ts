import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Pipeline } from '../index.js'
import type { KernelName } from '../kernels/index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import { start } from '../pipeline/run/run.js'
import { changesBetween, compareRuns, type Difference, type RunComparison, readRecord } from '../report/index.js'
import { interruption } from './interruption.js'
import type { Output } from './output.js'
import { type ReadingFlags, readOptions } from './reading.js'

export interface RerunFlags extends Pick<ReadingFlags, 'plugins' | 'allowAbsolutePaths'> {
  readonly out?: string
  readonly keep?: boolean
  readonly force?: boolean
  readonly kernel?: KernelName
  readonly threads?: number
  readonly json?: boolean
}

/** What is larger was not written by a run. */
const MAX_DEFINITION = 1 << 20

const kernels: readonly string[] = ['native', 'wasm', 'reference'] satisfies KernelName[]

/** `millrace rerun`: runs a stored definition again and compares what comes out. Throws code `CHECK` where it differs. */
export async function rerunCommand(directory: string, flags: RerunFlags, output: Output): Promise<void> {
  const before = readRecord(directory)
  const file = join(directory, 'pipeline.yaml')
  if (!existsSync(file))
    throw new PipelineError('ARGUMENTS', `${directory} has no pipeline.yaml, so it cannot be run again`)
  if (flags.out !== undefined && resolve(flags.out) === resolve(directory))
    throw new PipelineError('ARGUMENTS', `--out ${flags.out} is the run itself; give another directory`)
  const definition = createHash('sha256').update(readRegularFile(file, MAX_DEFINITION)).digest('hex')
  const pipeline = await Pipeline.load(file, readOptions({ set: [], ...flags }))
  const known = before.kernel?.name
  const kernel = flags.kernel ?? (known && kernels.includes(known) ? (known as KernelName) : undefined)
  const isTemporary = flags.out === undefined && flags.keep !== true
  const folder = isTemporary ? mkdtempSync(join(tmpdir(), 'millrace-rerun-')) : undefined
  const stop = interruption()
  try {
    const out = folder === undefined ? flags.out : join(folder, 'run')
    const { threads, force } = flags
    const running = start(pipeline, { out, force, kernel, threads, checkpoint: 'none', signal: stop.signal })
    let made = ''
    running.events.subscribe((event) => {
      if (event.type === 'start') made = event.directory
    })
    const failure = await running.result.then(() => undefined, accepted(before.status))
    const after = readRecord(made)
    const comparison = compareRuns(directory, made, before)
    if (comparison.files.length === 0)
      throw new PipelineError('DATA', `${directory} has no files to compare: the run wrote none, or it ended too early`)
    const changes = changesBetween(before, after, definition)
    const place = isTemporary ? undefined : shortPath(made)
    const isSame = comparison.differing.length === 0
    if (flags.json)
      output.write(
        `${JSON.stringify({ identical: isSame, status: before.status, directory: place, ...comparison, changes })}\n`,
      )
    else {
      if (before.status !== 'done') output.write(`the run is ${before.status}: compared as far as it goes\n`)
      if (failure) output.write(`the run again failed: ${failure.message}\n`)
      if (place !== undefined) output.write(`the run again is in ${place}\n`)
      if (isSame) output.write(identical(comparison, changes))
    }
    if (!isSame) throw new PipelineError('CHECK', wordDifferences(comparison, changes))
  } finally {
    stop.release()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

/** A run that failed may fail again; any other failure is one of the run again. */
function accepted(status: string): (error: unknown) => PipelineError {
  return (error) => {
    if (status === 'failed' && error instanceof PipelineError && ['DIVERGED', 'STAGE', 'CHECK'].includes(error.code))
      return error
    throw error
  }
}

function identical({ rows, files }: RunComparison, changes: readonly string[]): string {
  const but = changes.map((change) => `  although ${change}\n`).join('')
  return `identical: ${rows} row${rows === 1 ? '' : 's'}, ${files.length} file${files.length === 1 ? '' : 's'}\n${but}`
}

function wordDifferences({ first, differing }: RunComparison, changes: readonly string[]): { message: string }[] {
  const changed =
    changes.length > 0
      ? changes
      : ['nothing that is recorded: data, definition, seed, kernel, versions and machine are the same']
  return [
    ...(first ? [{ message: wordDifference(first) }] : []),
    { message: `different files: ${differing.join(', ')}` },
    { message: `what changed:\n${changed.map((change) => `  ${change}`).join('\n')}` },
  ]
}

function wordDifference({ file, row, at, column, before, after, relative }: Difference): string {
  const place = [`row ${row}`, ...Object.entries(at).map(([name, cell]) => `${name} ${cell}`)].join(', ')
  const values =
    column === undefined
      ? `the run ${before === undefined ? 'does not have' : 'has'} this row, the run again ${after === undefined ? 'does not' : 'does'}`
      : `${column} was ${before ?? 'missing'}, is ${after ?? 'missing'}`
  const by = relative === undefined ? '' : ` (relative difference ${relative.toExponential(1)})`
  return `first difference: ${file}, ${place}: ${values}${by}`
}
