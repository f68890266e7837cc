import { existsSync, lstatSync, statSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { PipelineError } from '../../pipeline/base/errors.js'
import { packagePath } from '../../pipeline/base/package.js'
import { listed, shortPath } from '../../pipeline/base/words.js'
import { isInside } from '../../pipeline/files/below.js'
import { attempt } from '../../pipeline/files/files.js'

/** Which folders a command may use, as the user named them where it was started. */
export interface FolderOptions {
  /** Where data is read from, each with everything below it. Default: the current folder. */
  readonly data?: readonly string[] | undefined
  /** Where the runs are, each with everything below it. Default: the current folder. */
  readonly artifacts?: readonly string[] | undefined
}

/** The folder of the data that Millrace brings along. */
const ownData = packagePath('stages/load')

/** The folders that a command may use. What comes from a queue never leads out of them. */
export class Folders {
  private readonly data: readonly string[]
  private readonly artifacts: readonly string[]
  /** Whether the user has named folders for runs. */
  readonly isNamed: boolean

  /** Throws a PipelineError `ARGUMENTS` if there is no such folder with data. */
  constructor({ data = [], artifacts = [] }: FolderOptions) {
    const missing = data.find((folder) => !statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    if (missing !== undefined) throw new PipelineError('ARGUMENTS', `--data ${missing}: there is no such folder`)
    this.data = (data.length > 0 ? data : ['.']).map((folder) => resolve(folder))
    this.artifacts = (artifacts.length > 0 ? artifacts : ['.']).map((folder) => resolve(folder))
    this.isNamed = artifacts.length > 0
  }

  /**
   * The shared folder of the runs, as a path on this machine: the folder that the queue names if it may be used, or else
   * the only folder that the user has named. Throws a PipelineError `ARGUMENTS` if neither is possible.
   */
  sharedFolder(named: string): string {
    const folder = resolve(named)
    const root = this.artifacts.find((each) => isInside(folder, each))
    if (root === undefined && this.isNamed && this.artifacts.length === 1) return this.artifacts[0]!
    if (root === undefined)
      throw new PipelineError('ARGUMENTS', `${folder} may not be used for runs: ${this.refusal('artifacts')}`)
    const wrong = folder.split(sep).includes('node_modules') ? 'packages' : isInRun(folder, root) ? 'a run' : undefined
    if (wrong) throw new PipelineError('ARGUMENTS', `${folder} may not be used for runs: it is part of ${wrong}`)
    return folder
  }

  /** Throws a PipelineError `ARGUMENTS` if a data file lies elsewhere. */
  checkData(paths: readonly string[]): void {
    const wrong = paths.find((path) => ![...this.data, ownData].some((folder) => isInside(path, folder)))
    if (wrong !== undefined) throw new PipelineError('ARGUMENTS', `${wrong} may not be read: ${this.refusal('data')}`)
  }

  private refusal(what: 'data' | 'artifacts'): string {
    const folders = listed(this[what].map(shortPath), 'and')
    return `it does not lie below ${folders}; --${what} names other folders where this command is started`
  }
}

/** Whether a folder below `root` lies in the directory of a run, where the definition of that run has chosen the files. */
function isInRun(folder: string, root: string): boolean {
  for (let at = folder; at !== root && at !== dirname(at); at = dirname(at))
    if (existsSync(join(at, 'run.json'))) return true
  return false
}

/** Throws a PipelineError `WRITE` if there is something else than a folder at this path. A link is something else. */
export function checkFolder(path: string): void {
  const status = attempt('use the folder', path, () => lstatSync(path, { throwIfNoEntry: false }))
  if (status && !status.isDirectory())
    throw new PipelineError(
      'WRITE',
      `${shortPath(path)} is ${status.isSymbolicLink() ? 'a link' : 'a file'}, expected a folder`,
    )
}
