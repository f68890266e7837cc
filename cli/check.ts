import { existsSync, mkdtempSync, rmdirSync, statfsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Pipeline } from '../index.js'
import { fileProblem, PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted, listed, shortPath } from '../pipeline/base/words.js'
import { readOptions } from './options.js'
import type { RunFlags } from './run.js'
import type { Output } from './terminal.js'
import { checkTrialPlace } from './trial.js'
import type { SeenWire } from './trial-wires.js'
import { tried } from './tried.js'

/** What `millrace check` found. Times are in seconds. */
interface Found {
  readonly data: readonly string[]
  readonly notes: readonly string[]
  readonly wires: readonly SeenWire[]
  readonly inFlight: Readonly<Record<string, number>>
  steps?: number
  epochs?: number
  secondsPerStep?: number
  secondsPerEvaluation?: number
  memory?: number
  free?: number
}

/**
 * `millrace check`: checks a pipeline with its data. Reads all of it, makes a few real steps and one evaluation, writes every
 * file into a temporary directory, and says how long the run will take. Throws the error that the run would end with.
 */
export async function checkCommand(name: string, flags: RunFlags, output: Output): Promise<void> {
  const pipeline = await Pipeline.load(name, readOptions(flags))
  checkTrialPlace(pipeline, 'millrace check')
  const free = writablePlace(flags.out ?? 'runs')
  const whole = pipeline.undivided()
  const { data, notes, times, evaluated, position, wires, inFlight } = await tried(whole, flags, output)
  const found: Found = { data, notes, wires, inFlight }
  if (position) {
    found.epochs = position.epochs
    found.steps = position.epochs * position.steps
    if (times.length > 1) found.secondsPerStep = (times.at(-1)! - times[0]!) / (times.length - 1) / 1000
    if (evaluated !== undefined) found.secondsPerEvaluation = (evaluated - times.at(-1)!) / 1000
  }
  found.memory = process.resourceUsage().maxRSS * 1024
  found.free = free
  if (flags.json)
    output.write(`${JSON.stringify({ pipeline: pipeline.name, stages: whole.graph.nodes.length, ...found })}\n`)
  else
    output.write(
      `${[`${pipeline.name}: sound, ${counted(whole.graph.nodes.length, 'stage')}`, ...linesOf(found, shortPath(flags.out ?? 'runs'))].map(oneLine).join('\n')}\n`,
    )
}

function linesOf(
  { data, notes, steps, epochs, secondsPerStep, secondsPerEvaluation, memory, free, inFlight }: Found,
  place: string,
): string[] {
  const perStep = secondsPerStep === undefined ? '' : ` of ${(1000 * secondsPerStep).toPrecision(2)} ms`
  const training = secondsPerStep === undefined ? '' : `: ${duration(steps! * secondsPerStep)} of training`
  return [
    ...data,
    ...notes.map((note) => `note: ${note}`),
    ...(steps === undefined ? [] : [`${counted(steps, 'step')}${perStep}, in ${counted(epochs!, 'epoch')}${training}`]),
    ...(secondsPerEvaluation === undefined
      ? []
      : [
          `an evaluation takes ${duration(secondsPerEvaluation)}; one in each epoch makes ${duration(epochs! * secondsPerEvaluation)}`,
        ]),
    `tables in flight, at most: ${inFlightText(inFlight)}`,
    `memory: ${Math.round(memory! / 2 ** 20)} MB at most, with all data and one evaluation; millrace graph --measure says what is on each wire`,
    `${place} can be written, ${(free! / 2 ** 30).toFixed(1)} GB are free`,
  ]
}

function inFlightText(inFlight: Readonly<Record<string, number>>): string {
  const some = Object.entries(inFlight).filter(([, count]) => count > 0)
  return some.length === 0
    ? 'none'
    : listed(
        some.map(([stage, count]) => `${count} in ${stage}`),
        'and',
      )
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds < 10 ? seconds.toPrecision(2) : Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`
}

/** The bytes that are free where the run directory will be. Throws a PipelineError `WRITE` if it cannot be made. */
function writablePlace(out: string): number {
  let folder = resolve(out)
  while (!existsSync(folder)) folder = dirname(folder)
  try {
    // Permissions do not say all: a file system may be read-only.
    rmdirSync(mkdtempSync(join(folder, '.millrace-')))
  } catch (error) {
    throw new PipelineError('WRITE', fileProblem('write in', shortPath(folder), error), { cause: error })
  }
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
