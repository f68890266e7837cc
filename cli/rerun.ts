import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Pipeline } from '../index.js'
import { type KernelChoice, kernelNames } from '../kernels/index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted, listed, shortPath } from '../pipeline/base/words.js'
import { readDefinition } from '../pipeline/definition/read.js'
import { attempt } from '../pipeline/files/files.js'
import { hasInside, readInside } from '../pipeline/files/inside.js'
import { MAX_DEFINITION } from '../pipeline/files/limits.js'
import { builtInStages } from '../pipeline/graph/registry.js'
import { start } from '../pipeline/run/run.js'
import {
  changesBetween,
  changesOnTheWay,
  compareRuns,
  type Difference,
  type RunComparison,
  readRecord,
} from '../report/index.js'
import { type ReadingFlags, readOptions } from './options.js'
import { interruption, type Output } from './terminal.js'

/** The flags of `millrace rerun`. */
export interface RerunFlags extends Pick<ReadingFlags, 'plugins' | 'allowAbsolutePaths'> {
  /** The directory of the new run; by default a temporary one. */
  readonly out?: string
  /** True if the new run is kept under `runs/`. */
  readonly keep?: boolean
  /** True if a run in `out` is replaced. */
  readonly force?: boolean
  /** The kernel, if it is not that of the earlier run. */
  readonly kernel?: KernelChoice
  /** Kernel threads. */
  readonly threads?: number
  /** True if the comparison is printed as JSON. */
  readonly json?: boolean
}

/** `millrace rerun`: repeats a run and compares the files. Throws a PipelineError `CHECK` if they differ. */
export async function rerunCommand(directory: string, flags: RerunFlags, output: Output): Promise<void> {
  const before = readRecord(directory)
  const file = join(directory, 'pipeline.yaml')
  if (!hasInside(directory, 'pipeline.yaml'))
    throw new PipelineError('ARGUMENTS', `${directory} has no pipeline.yaml, so it cannot be run again`)
  const changed = changesOnTheWay(before.changes)
  if (changed.length > 0)
    throw new PipelineError('ARGUMENTS', [
      ...changed.map(({ option, text }) => ({ message: `${directory}: ${option} was ${text}` })),
      {
        message:
          'the run was changed on the way when it was resumed, so no single run can repeat it; ' +
          'millrace run and millrace resume --set, at the same steps, can',
      },
    ])
  if (flags.out !== undefined && resolve(flags.out) === resolve(directory))
    throw new PipelineError('ARGUMENTS', `--out ${flags.out} is the run itself; give another directory`)
  const definition = createHash('sha256').update(readStored(directory)).digest('hex')
  const plugins = typeof flags.plugins === 'string' ? flags.plugins : false
  if (plugins === false) await checkOwnStages(file, directory)
  const folders = [...new Set([process.cwd(), ...(before.folders ?? [])])]
  const pipeline = await Pipeline.load(file, {
    ...readOptions({ set: [], ...flags, plugins }),
    folders,
    runDirectory: directory,
  })
  const known = before.kernel?.name
  const asked = flags.kernel === 'auto' ? undefined : flags.kernel
  const kernel = asked ?? kernelNames.find((name) => name === known)
  const isTemporary = flags.out === undefined && flags.keep !== true
  const folder = isTemporary ? mkdtempSync(join(tmpdir(), 'millrace-rerun-')) : undefined
  const stop = interruption(output)
  try {
    const out = folder === undefined ? flags.out : join(folder, 'run')
    const { threads, force } = flags
    const running = start(pipeline, { out, force, kernel, threads, checkpoint: 'none', signal: stop.signal })
    let newRun = ''
    running.events.subscribe((event) => {
      if (event.type === 'start') newRun = event.directory
    })
    const failure = await running.result.then(() => undefined, acceptFailure(before.status))
    const after = readRecord(newRun)
    const comparison = compareRuns(directory, newRun, before)
    if (comparison.files.length === 0)
      throw new PipelineError('DATA', `${directory} has no files to compare: the run wrote none, or it ended too early`)
    const changes = changesBetween(before, after, definition)
    const place = isTemporary ? undefined : shortPath(newRun)
    const isSame = comparison.differing.length === 0
    if (flags.json)
      output.write(
        `${JSON.stringify({ identical: isSame, status: before.status, directory: place, ...comparison, changes })}\n`,
      )
    else {
      if (before.status !== 'done')
        output.write(`the earlier run is not done (${before.status}): its files are compared as far as they go\n`)
      if (failure) output.write(`the new run failed: ${oneLine(failure.message)}\n`)
      if (place !== undefined) output.write(`the new run is in ${place}\n`)
      if (isSame) output.write(formatIdentical(comparison, changes))
    }
    if (!isSame) throw new PipelineError('CHECK', differenceProblems(comparison, changes))
  } finally {
    stop.release()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}

function readStored(directory: string): Buffer {
  const name = 'pipeline.yaml'
  return attempt('read', join(directory, name), () => readInside(directory, name, MAX_DEFINITION), 'DATA')
}

/**
 * Throws a PipelineError `ARGUMENTS` that names the stages of a run that are not built in. They are code, and the run
 * may be another person's: the user must say where its code is.
 */
async function checkOwnStages(file: string, directory: string): Promise<void> {
  const known = await builtInStages()
  const own = new Set(usesOf(file).filter((use) => !known.has(use)))
  if (own.size === 0) return
  throw new PipelineError(
    'ARGUMENTS',
    `${directory} has stages that are not built in: ${listed([...own], 'and')}; rerun runs no code that a run ` +
      'directory names. If you trust it, give the folder with the code: --plugins DIR',
  )
}

/** The names of the stages of a definition; none if it has mistakes, which loading it reports. */
function usesOf(file: string): string[] {
  try {
    return readDefinition(file, { plugins: false, runDirectory: dirname(file) }).stages.map(({ use }) => use)
  } catch {
    return []
  }
}

/** A new run may fail if the earlier one failed, too: returns that failure. Throws any other. */
function acceptFailure(status: string): (error: unknown) => PipelineError {
  return (error) => {
    if (status === 'failed' && error instanceof PipelineError && ['DIVERGED', 'STAGE', 'CHECK'].includes(error.code))
      return error
    throw error
  }
}

function formatIdentical({ rows, files }: RunComparison, changes: readonly string[]): string {
  const but = changes.map((change) => `  although ${oneLine(change)}\n`).join('')
  return `identical: ${counted(rows, 'row')}, ${counted(files.length, 'file')}\n${but}`
}

function differenceProblems({ first, differing }: RunComparison, changes: readonly string[]): { message: string }[] {
  const changed =
    changes.length > 0
      ? changes.map(oneLine)
      : ['nothing that is recorded: data, definition, seed, kernel, versions and machine are the same']
  return [
    ...(first ? [{ message: formatDifference(first) }] : []),
    { message: `different files: ${differing.map(oneLine).join(', ')}` },
    { message: `what changed:\n${changed.map((change) => `  ${change}`).join('\n')}` },
  ]
}

function formatDifference({ file, row, at, column, before, after, relative }: Difference): string {
  const place = [`row ${row}`, ...Object.entries(at).map(([name, cell]) => `${name} ${cell}`)].join(', ')
  const values =
    column === undefined
      ? `only the ${before === undefined ? 'new' : 'earlier'} run has this row`
      : `${column} was ${before ?? 'missing'}, is ${after ?? 'missing'}`
  const by = relative === undefined ? '' : ` (relative difference ${relative.toExponential(1)})`
  return oneLine(`first difference: ${file}, ${place}: ${values}${by}`)
}
