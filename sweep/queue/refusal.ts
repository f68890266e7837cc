import { hostname } from 'node:os'
import { type ErrorCode, messageOf, PipelineError } from '../../pipeline/base/errors.js'
import type { Outcome } from '../executor.js'
import type { Task } from './task.js'

/** Why a worker does not run a point. The message goes to the queue, `detail` stays on the machine of the worker. */
export class Refusal extends Error {
  /** The whole story. */
  readonly detail: string

  constructor(message: string, detail = message) {
    super(message)
    this.detail = detail
  }
}

/**
 * Turns an error from before the run into a refusal. At that moment nothing but the job was read, so its mistakes may
 * go back to where it came from, but for what a stage file says when it is loaded.
 */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  if (!(error instanceof PipelineError)) return new Refusal(unknownReason(), messageOf(error))
  const messages = error.problems.map(({ message }) => message.replace(/(cannot load the stage [^:]*):.*/s, '$1'))
  return new Refusal(messages.join('\n'), error.message)
}

/** Errors of a run that quote nothing but numbers of the training and names of this installation. */
const open = new Set<ErrorCode | undefined>(['DIVERGED', 'CHECK', 'KERNEL'])

/** What errors of the other kinds have in common. */
const descriptions = new Map<ErrorCode | undefined, string>([
  ['DATA', 'the data is missing, damaged or not as the pipeline needs it'],
  ['WRITE', 'an output could not be written'],
  ['STAGE', 'a stage failed'],
])

/**
 * Why a run failed, in a text that may go to the queue: everybody who can read the queue reads it. The message itself
 * may quote the data or name files of the worker. So the text has the stage, the line of a data file, and the kind of
 * the error.
 *
 * @param stages the stages of the point, as messages name them
 */
export function reasonOf({ error = '', code }: Outcome, { data }: Task, stages: readonly string[]): string {
  if (open.has(code)) return error
  const stage = stages.find((title) => error.includes(`${title}: `))
  const lines = data.map(({ path }) => lineIn(path, error)).filter((place) => place !== undefined)
  return [stage, lines[0], `${descriptions.get(code) ?? 'it failed'}; ${seeLog()}`].filter(Boolean).join(': ')
}

/** The place in a data file that a message names, as `rows.csv:17`. */
function lineIn(path: string, message: string): string | undefined {
  const at = message.indexOf(`${path}:`)
  const number = at < 0 ? undefined : /^\d{1,15}(?=[:\s])/.exec(message.slice(at + path.length + 1))?.[0]
  return number === undefined ? undefined : `${path}:${number}`
}

/** The text about an error of which nothing may go to the queue. */
export function unknownReason(): string {
  return `the worker could not run it; ${seeLog()}`
}

function seeLog(): string {
  return `the output of the worker on ${hostname()} says more`
}
