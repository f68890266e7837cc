import { PipelineError } from '../../pipeline/base/errors.js'

/**
 * Imports an optional package. If it is not installed, throws a PipelineError `ARGUMENTS` with the command that
 * installs all of `needed`.
 */
export async function importOptional<T>(load: () => Promise<T>, needed: readonly string[]): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? ''
    if (!['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(code)) throw cause
    const problem = 'sweeps on many machines need packages that Millrace does not bring along'
    const fix = `install them beside it: npm install ${needed.join(' ')}`
    throw new PipelineError('ARGUMENTS', `${problem}; ${fix}`, { cause })
  }
}
