import { runArguments } from '../../dist/cli/program.js'
import type { Finished } from './millrace.js'
import { collectedOutput } from './printed.js'

/**
 * Runs the command line in this process, with `cwd` as the current folder. A process of its own takes half a second longer
 * to start; a test needs one only if it kills it, or if the command ends, starts or measures processes.
 */
export async function millrace(args: readonly string[], cwd: string): Promise<Finished> {
  const { seen, output } = collectedOutput()
  const before = process.cwd()
  process.chdir(cwd)
  try {
    await runArguments(args, output)
    return { code: Number(process.exitCode ?? 0), stdout: seen.stdout, stderr: seen.err }
  } finally {
    process.exitCode = undefined
    process.chdir(before)
  }
}
