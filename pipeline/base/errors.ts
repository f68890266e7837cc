import { isOutOfMemory } from '../../kernels/memory.js'

/** What went wrong, for programs; the exit codes of the command line follow from it. */
export type ErrorCode =
  | 'ARGUMENTS' // the command line or an API argument is wrong
  | 'DEFINITION' // the pipeline definition is wrong; nothing was started
  | 'DATA' // a data file is missing, damaged or not what was announced
  | 'WRITE' // an output could not be written
  | 'DIVERGED' // training left the finite numbers
  | 'CHECK' // a check that the pipeline asked for did not hold
  | 'STAGE' // a stage threw
  | 'KERNEL' // a kernel is not available or failed
  | 'PARALLEL' // the processes of one run do not agree, or one of them is gone
  | 'SILENT' // a process of the run no longer answers
  | 'ABORTED' // stopped by a signal
  | 'INTERNAL' // a defect of Millrace

/** One thing that is wrong: where it stands (`file:line:column`, `--set …`), if known, and what it is. */
export interface Problem {
  readonly where?: string | undefined
  readonly message: string
}

/** The one error type: a code, every problem found, and the cause where another error lies behind it. */
export class PipelineError extends Error {
  readonly code: ErrorCode
  readonly problems: readonly Problem[]
  /** The stage it happened in, once known: `stages[2] batch/rows`. */
  readonly stage: string | undefined

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

/** `file:line:column  message`. */
export function formatProblem({ where, message }: Problem): string {
  return where ? `${where}  ${message}` : message
}

/** Each problem once, by file, line and column; those without a place, and command-line settings, last. */
export function inFileOrder(problems: readonly Problem[]): Problem[] {
  const key = ({ where = '' }: Problem): [string, number, number] => {
    const match = /^(.*?):(\d+):(\d+)/.exec(where)
    return match ? [match[1]!, Number(match[2]), Number(match[3])] : ['\uffff', 0, 0]
  }
  const distinct = new Map(problems.map((problem) => [formatProblem(problem), problem]))
  return [...distinct.values()].sort((a, b) => {
    const [x, y] = [key(a), key(b)]
    return x[0] < y[0] ? -1 : x[0] > y[0] ? 1 : x[1] - y[1] || x[2] - y[2]
  })
}

/** Puts the stage and its line on an error that comes out of it, once; foreign errors become code `STAGE`, memory that a kernel could not get `KERNEL`. */
export function inStage(error: unknown, stage: string, where: string | undefined): PipelineError {
  if (error instanceof PipelineError && error.stage) return error
  const code = error instanceof PipelineError ? error.code : isOutOfMemory(error) ? 'KERNEL' : 'STAGE'
  const problems: readonly Problem[] =
    error instanceof PipelineError ? error.problems : [{ message: messageOf(error) || 'failed without a message' }]
  return new PipelineError(
    code,
    problems.map((problem) => ({ where: problem.where ?? where, message: `${stage}: ${problem.message}` })),
    { cause: error, stage },
  )
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Words a failed file operation: what was tried, on which file, and why it failed, without Node's jargon. */
export function fileProblem(action: string, path: string, error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? ''
  return `cannot ${action} ${path}: ${fileReasons.get(code) ?? messageOf(error)}`
}

const fileReasons = new Map([
  ['ENOENT', 'no such file or directory'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
  ['EISDIR', 'it is a directory, expected a file'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['ENOSPC', 'no space left on the device'],
  ['EROFS', 'the file system is read-only'],
  ['EFBIG', 'the file would be larger than is allowed'],
  ['EIO', 'the device failed'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EMFILE', 'too many open files'],
  ['EEXIST', 'it exists already'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['ELOOP', 'too many symbolic links'],
])

/** What is no PipelineError is a defect of ours. */
export function asPipelineError(cause: unknown): PipelineError {
  if (cause instanceof PipelineError) return cause
  return new PipelineError('INTERNAL', `internal error: ${messageOf(cause)}`, { cause })
}
