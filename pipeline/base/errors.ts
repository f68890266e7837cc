import { isDeviceFailure } from '../../kernels/device-failure.js'
import { isOutOfMemory } from '../../kernels/memory.js'
import { oneLine } from './plain-text.js'
import { loadProblem, reasonOf, systemMessage, UnfitFile } from './system-errors.js'
import { counted, shortPath } from './words.js'

/** The codes of errors. */
export const errorCodes = [
  'ARGUMENTS', // the command line or an API argument is wrong
  'DEFINITION', // the pipeline definition is wrong; nothing was started
  'DATA', // a data file is missing, damaged or not as declared
  'WRITE', // an output could not be written
  'DIVERGED', // training produced NaN or an infinite number
  'CHECK', // a check in the pipeline failed
  'STAGE', // a stage threw
  'KERNEL', // a kernel is not available or failed
  'PARALLEL', // the processes of one run disagree, or one of them has ended
  'SILENT', // a process of the run does not answer
  'SYSTEM', // the operating system refused something: a file, memory, a thread
  'ABORTED', // stopped by a signal
  'INTERNAL', // a defect of Millrace
] as const

/** The kind of an error, for programs. The command line derives its exit codes from it. */
export type ErrorCode = (typeof errorCodes)[number]

/** One mistake and its position. */
export interface Problem {
  /** The position: `file:line:column`, or a setting of the command line such as `--set eta=1`. Undefined if unknown. */
  readonly where?: string | undefined
  /** What is wrong, what was expected, and the fix. Without the position. */
  readonly message: string
  /** The number of further problems that this one stands for, if there are too many to tell them one by one. */
  readonly more?: number
}

/** The only error type of Millrace: a code, every problem found, and the error that caused it, if there is one. */
export class PipelineError extends Error {
  /** The kind of the error. */
  readonly code: ErrorCode
  /** Every problem found. `message` has one line for each. */
  readonly problems: readonly Problem[]
  /** The stage that failed, for example `stages[2] batch/rows`. Undefined if the error comes from no stage. */
  readonly stage: string | undefined

  /** A string as `problems` is one problem without a position. */
  constructor(
    code: ErrorCode,
    problems: string | readonly Problem[],
    options: { cause?: unknown; stage?: string } = {},
  ) {
    const list = typeof problems === 'string' ? [{ message: problems }] : problems
    super(list.map(formatProblem).join('\n'), 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'PipelineError'
    this.code = code
    this.problems = list
    this.stage = options.stage
  }
}

/** Formats a problem as one line: `file:line:column  message`. */
export function formatProblem({ where, message }: Problem): string {
  return where ? `${where}  ${message}` : message
}

/** Problems that are told one by one. More would bury the first, and making the messages would take long. */
const MOST_PROBLEMS = 100

/** A problem whose message is made only if somebody reads it, because making it takes long. */
export function laterProblem(where: string | undefined, message: () => string): Problem {
  let made: string | undefined
  return {
    where,
    get message() {
      made ??= message()
      return made
    },
  }
}

/**
 * Sorts problems by file, line and column, and removes duplicates. Problems without a position in a file come last, in
 * the order given. The first hundred are returned, and the number of the others as one more problem, at the position of
 * the first of them. Control characters are spelled out: messages quote what a definition says, and each stays one line.
 */
export function inFileOrder(problems: readonly Problem[]): Problem[] {
  const single = problems.filter(({ more }) => more === undefined)
  const keys = new Map(single.map(({ where = '' }) => [where, positionOf(where)]))
  const sorted = [...single].sort((a, b) => {
    const [x, y] = [keys.get(a.where ?? '')!, keys.get(b.where ?? '')!]
    return x[0] < y[0] ? -1 : x[0] > y[0] ? 1 : x[1] - y[1] || x[2] - y[2]
  })
  const told = new Map<string, Problem>()
  let at = 0
  for (; at < sorted.length && told.size < MOST_PROBLEMS; at++) {
    const line = inOneLine(sorted[at]!)
    told.set(formatProblem(line), line)
  }
  const others = [...sorted.slice(at), ...problems.filter(({ more }) => more !== undefined)]
  if (others.length === 0) return [...told.values()]
  const { where } = inOneLine({ where: others[0]!.where, message: '' })
  const more = countProblems(others)
  return [...told.values(), { where, message: `and ${counted(more, 'more problem')}`, more }]
}

/** The number of problems in a list of `inFileOrder`. */
export function countProblems(problems: readonly Problem[]): number {
  return problems.reduce((sum, { more = 1 }) => sum + more, 0)
}

function positionOf(where: string): [file: string, line: number, column: number] {
  const match = /^(.*?):(\d+):(\d+)/.exec(where)
  return match ? [match[1]!, Number(match[2]), Number(match[3])] : ['\uffff', 0, 0]
}

function inOneLine({ where, message }: Problem): Problem {
  return { ...(where !== undefined && { where: oneLine(where) }), message: oneLine(message) }
}

/**
 * Adds a stage and its position to an error that the stage caused. An error that names a stage already is returned
 * unchanged. Errors of other types get the code `STAGE`, or `KERNEL` if a kernel could not allocate memory or lost its device.
 */
export function inStage(error: unknown, stage: string, where: string | undefined): PipelineError {
  if (error instanceof PipelineError && error.stage) return error
  const isKernels = isOutOfMemory(error) || isDeviceFailure(error)
  const code = error instanceof PipelineError ? error.code : isKernels ? 'KERNEL' : 'STAGE'
  const problems: readonly Problem[] =
    error instanceof PipelineError ? error.problems : [{ message: messageOf(error) || 'failed without a message' }]
  return new PipelineError(
    code,
    problems.map((problem) => ({ where: problem.where ?? where, message: `${stage}: ${problem.message}` })),
    { cause: error, stage },
  )
}

/**
 * The message of an error, in plain words if the error is one of the system; or the text of another thrown value. An
 * error without a message, such as those that web streams of Node 22 wrap around others, has that of its cause.
 */
export function messageOf(error: unknown): string {
  const isEmpty = error instanceof Error && error.message === '' && error.cause !== undefined
  if (isEmpty) return messageOf(error.cause)
  return systemMessage(error) ?? (error instanceof Error ? error.message : String(error))
}

/** Describes a failed file operation: the action, the file, and the reason in plain words instead of Node's codes. */
export function fileProblem(action: string, path: string, error: unknown): string {
  return `cannot ${action} ${path}: ${fileReason(error)}`
}

/** The reason of a failed file operation in plain words instead of Node's codes. */
export function fileReason(error: unknown): string {
  return reasonOf(error) ?? messageOf(error)
}

/**
 * Returns a PipelineError as it is. An error of the system, which a user can cause, becomes one with code `SYSTEM`. Any
 * other error is a defect of Millrace and becomes one with code `INTERNAL`.
 */
export function asPipelineError(cause: unknown): PipelineError {
  if (cause instanceof PipelineError) return cause
  if (cause instanceof UnfitFile)
    return new PipelineError('SYSTEM', fileProblem('read', shortPath(cause.path), cause), { cause })
  const message = systemMessage(cause) ?? loadProblem(cause) ?? (isOutOfMemory(cause) ? cause.message : undefined)
  if (message !== undefined) return new PipelineError('SYSTEM', message, { cause })
  return new PipelineError('INTERNAL', `internal error: ${messageOf(cause)}`, { cause })
}
