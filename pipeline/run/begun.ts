import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { KernelChoice } from '../../kernels/contract.js'
import { PipelineError, type Problem } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { hasCheckpoints, soundCheckpoints } from '../directory/checkpoint.js'
import { makeRunDirectory } from '../directory/run-directory.js'
import { holdsRun, isStillborn } from '../directory/run-place.js'
import { attempt, replaceFile } from '../files/files.js'
import { readInside } from '../files/inside.js'
import { MAX_RECORD } from '../files/limits.js'
import { outputFilesOf } from '../graph/outputs.js'
import type { Pipeline } from '../graph/pipeline.js'
import { configurationOf, differencesBetween, shown } from './configuration.js'
import type { Run, RunSettings } from './contract.js'
import { recordIn } from './past-record.js'
import { definitionReader, reopen } from './resume.js'
import { startWith } from './run.js'
import type { RunStart } from './start.js'
import { definitionText } from './stored-definition.js'

/** Where a run stands that may have begun already. `done`: there is nothing left to do. */
export type Standing = 'new' | 'begun' | 'done'

/**
 * Says where the run of a pipeline stands in a directory. Writes nothing. Rejects with a PipelineError: `DEFINITION` if
 * the run there is of another definition, `ARGUMENTS` if the directory has a run without its definition.
 */
export async function standingOf(pipeline: Pipeline, directory: string): Promise<Standing> {
  const path = resolve(directory)
  if (!isBegun(pipeline, path)) return 'new'
  await checkSame(pipeline, path)
  const { status, undrawn } = recordIn(path)
  // A figure that failed is tried again, which needs a checkpoint.
  return status === 'done' && (undrawn.length === 0 || !hasCheckpoints(path)) ? 'done' : 'begun'
}

/**
 * Starts a run in the directory `out`, or goes on with the one that has begun there with this very definition, at whatever
 * moment it was killed. The result has the same bytes as without the interruption. Its errors are those of `standingOf`,
 * `start` and `resume`.
 */
export function startOrResume(pipeline: Pipeline, { out, ...settings }: RunSettings & { readonly out: string }): Run {
  const path = resolve(out)
  const { kernel: asked = 'auto' } = settings
  const kernel = asked === 'auto' ? (kernelOf(pipeline, path) ?? settings.kernel) : asked
  return startWith(
    { ...settings, ...(kernel !== undefined && { kernel }) },
    { pipeline: () => pipeline, open: () => open(pipeline, path) },
  )
}

async function open(pipeline: Pipeline, path: string): Promise<RunStart> {
  const { allowAbsolutePaths } = pipeline.definition.trust
  if (!isBegun(pipeline, path)) {
    const outputs = pipeline.graph.nodes.flatMap(({ stage, options }) => outputFilesOf(stage, options))
    return { pipeline, directory: makeRunDirectory(pipeline.name, { out: path, allowAbsolutePaths, outputs }) }
  }
  await checkSame(pipeline, path)
  if (definitionIn(path) === '') replaceFile(join(path, 'pipeline.yaml'), definitionText(pipeline, path))
  const sha256 = digest(definitionIn(path))
  return reopen(path, { allowAbsolutePaths }, async () => ({ sha256, pipeline }))
}

/** The kernel that a run has begun with, because the last digits depend on it. */
function kernelOf(pipeline: Pipeline, path: string): KernelChoice | undefined {
  return isBegun(pipeline, path) ? recordIn(path).kernel?.name : undefined
}

/** Whether a run lies in a directory that has begun. Its `run.json` may have been lost with the power. */
function isBegun(pipeline: Pipeline, path: string): boolean {
  if (isStillborn(path)) return false
  return holdsRun(path) || hasCheckpoints(path) || definitionIn(path) === definitionText(pipeline, path)
}

/**
 * The text of `pipeline.yaml`; empty if it is not there, as after a kill before it was whole. It is only compared: what a program
 * gives may be longer than a definition that is read.
 */
function definitionIn(path: string): string {
  const file = join(path, 'pipeline.yaml')
  if (!existsSync(file)) return ''
  return attempt('read the definition', file, () => String(readInside(path, 'pipeline.yaml', MAX_RECORD)), 'DEFINITION')
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Throws a PipelineError if the run in a directory is not that of the pipeline. */
async function checkSame(pipeline: Pipeline, path: string): Promise<void> {
  const [own, stored] = [definitionText(pipeline, path), definitionIn(path)]
  if (own === stored) return
  if (stored === '') {
    const [newest] = soundCheckpoints(path, () => {})
    const known = [recordIn(path).definition, newest?.definition]
    if (known.includes(digest(own))) return
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(path)}: a run lies there without its pipeline.yaml, and it was not started with this definition; ` +
        'give another directory with --out, or --force instead of --resume to replace it',
    )
  }
  const { pipeline: before } = await definitionReader(path, {
    plugins: pipeline.definition.trust.plugins !== false && undefined,
  })()
  const problems = problemsBetween(before, pipeline)
  if (problems.length === 0) return
  throw new PipelineError('DEFINITION', [
    ...problems,
    {
      message:
        `${shortPath(path)} has a run of another definition, so nothing was done: give another directory with --out, or ` +
        `--force instead of --resume to replace it (millrace resume ${shortPath(path)} --set … goes on with changes)`,
    },
  ])
}

/** What of a pipeline decides the bytes of its files, and is not as it was. */
function problemsBetween(before: Pipeline, pipeline: Pipeline): Problem[] {
  const ids = ({ graph }: Pipeline): string[] => graph.nodes.map(({ id }) => id)
  const [old, now] = [ids(before), ids(pipeline)]
  const division = ({ definition: { parallel } }: Pipeline) =>
    parallel && { shards: parallel.shards, mode: parallel.mode }
  const changed = (option: string, was: unknown, is: unknown): string =>
    `${option}: was ${shown(was ?? null)}, is now ${shown(is ?? null)}`
  return [
    ...pipeline.graph.nodes
      .filter(({ id }) => !old.includes(id))
      .map(({ title, where }) => ({ where, message: `${title}: the run has no such stage` })),
    ...old
      .filter((id) => !now.includes(id))
      .map((id) => ({ message: `the run has a stage ${id}, the definition has not` })),
    ...differencesBetween(configurationOf(before), pipeline).map(({ option, was, is, where }) => ({
      where,
      message: changed(option, was, is),
    })),
    ...(isDeepStrictEqual(division(before), division(pipeline))
      ? []
      : [{ message: changed('parallel', division(before), division(pipeline)) }]),
  ]
}
