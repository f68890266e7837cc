import { shortPath } from './words.js'

/* The one place that turns errors of the operating system, and of memory that is short, into words for users. */

const reasons = new Map([
  ['ENOENT', 'no such file or directory'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'operation not permitted'],
  ['EISDIR', 'it is a directory, expected a file'],
  ['ENOTDIR', 'a part of the path is not a directory'],
  ['ENOTEMPTY', 'the directory is not empty'],
  ['ENOSPC', 'no space left on the device'],
  ['EROFS', 'the file system is read-only'],
  ['EFBIG', 'the file would be larger than is allowed'],
  ['EIO', 'the device failed'],
  ['ENXIO', 'the device is not there'],
  ['ENODEV', 'the device is not there'],
  ['EBUSY', 'it is in use'],
  ['ETXTBSY', 'it is in use'],
  ['EXDEV', 'it lies on another file system'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EMFILE', 'too many open files; allow the process more (ulimit -n)'],
  ['ENFILE', 'too many open files on this machine'],
  ['EEXIST', 'it exists already'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['ELOOP', 'too many symbolic links'],
  ['EINVAL', 'the system does not allow that here'],
  ['ENOTSUP', 'the file system does not support that'],
  ['ENOSYS', 'the system does not support that'],
  ['ESTALE', 'the network file system has lost it'],
  ['ENOMEM', 'there is not enough memory'],
  ['EAGAIN', 'the system has no more of that now (processes, threads, memory)'],
])

/** What a system call does, in words. Calls that are not here keep the message of Node. */
const actions = new Map([
  ['open', 'open'],
  ['read', 'read'],
  ['write', 'write'],
  ['close', 'close'],
  ['stat', 'find'],
  ['lstat', 'find'],
  ['fstat', 'find'],
  ['access', 'find'],
  ['realpath', 'find'],
  ['readlink', 'read the link'],
  ['scandir', 'read the directory'],
  ['opendir', 'read the directory'],
  ['mkdir', 'make the directory'],
  ['mkdtemp', 'make a temporary directory'],
  ['rmdir', 'remove the directory'],
  ['rm', 'remove'],
  ['unlink', 'remove'],
  ['rename', 'rename'],
  ['copyfile', 'copy'],
  ['cp', 'copy'],
  ['symlink', 'make the link'],
  ['link', 'make the link'],
  ['fsync', 'sync'],
  ['ftruncate', 'shorten'],
  ['truncate', 'shorten'],
  ['chmod', 'change the permissions of'],
  ['utime', 'change the times of'],
])

/** A file that is not read: it is no regular file, or too large. The message is the reason, without the path. */
export class UnfitFile extends Error {
  /** The path of the file. */
  readonly path: string

  constructor(path: string, reason: string) {
    super(reason)
    this.name = 'UnfitFile'
    this.path = path
  }
}

/** The reason of a failed file operation in plain words; undefined if the error is of another kind. */
export function reasonOf(error: unknown): string | undefined {
  return reasons.get((error as NodeJS.ErrnoException | null | undefined)?.code ?? '')
}

/**
 * The message of an error of the operating system, `cannot ACTION PATH: REASON`, or of memory that is short. Undefined
 * if the error is of another kind.
 */
export function systemMessage(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { syscall, path, code } = error as NodeJS.ErrnoException
  if (syscall === 'uv_cwd') return 'the current folder does not exist any more; change to another one'
  const reason = reasonOf(error)
  const action = actions.get(syscall ?? '')
  if (reason !== undefined && action !== undefined)
    return `cannot ${action}${path === undefined ? '' : ` ${shortPath(path)}`}: ${reason}`
  if (isMemoryShort(error))
    return (
      `there is not enough memory: ${error.message}; ` +
      'free some, or allow the process more (ulimit -v counts addresses, and WebAssembly reserves 10 GB of them)'
    )
  return code === 'ERR_WORKER_INIT_FAILED' ? `a thread cannot start: ${error.message}` : undefined
}

/** Whether an error says that V8 or WebAssembly could not get memory. */
function isMemoryShort(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return true
  return (
    error instanceof RangeError &&
    code === undefined &&
    /out of memory|could not allocate|allocation failed/i.test(error.message)
  )
}

/**
 * What to say if a module of Millrace itself cannot be loaded, and why that may be; undefined for other errors. Node says
 * that a package is not there if it may open no more files.
 */
export function loadProblem(error: unknown): string | undefined {
  // Not `instanceof`: with module loaders, the error comes from another thread.
  const { code, message } = (error ?? {}) as NodeJS.ErrnoException
  if (code !== 'ERR_MODULE_NOT_FOUND') return undefined
  return (
    `a part of Millrace does not load: ${message}; ` +
    'is it installed completely, and may the process open enough files (ulimit -n)?'
  )
}
