import { PipelineError } from '../../pipeline/base/errors.js'

/**
 * Imports an optional package. Throws a PipelineError `ARGUMENTS` with the command that installs all of `needed`, where
 * it is not there.
 */
export async function optional<T>(load: () => Promise<T>, needed: readonly string[]): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    if (!['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(code)) throw cause
    throw new PipelineError(
      'ARGUMENTS',
      `sweeps on many machines need packages that Millrace does not bring along; install them beside it: npm install ${needed.join(' ')}`,
      { cause },
    )
  }
}
