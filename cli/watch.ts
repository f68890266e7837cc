import { type ChildProcess, spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { PipelineError } from '../pipeline/base/errors.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { findTests, readTests } from '../testing/test-file.js'
import { type ReadingFlags, readOptions } from './options.js'
import { interruption, type Output } from './terminal.js'
import { dataFilesOf, filesOf } from './watched-files.js'
import { watchFiles } from './watcher.js'

/*
 * Commands that run again whenever a file changes. Each turn is a process of its own, because a module that was loaded once stays
 * as it was.
 */

/** `millrace run --watch`: runs a pipeline again whenever its definition or code changes, and, with `data`, its data. */
export async function watchRun(
  name: string,
  flags: ReadingFlags & { readonly out?: string; readonly force?: boolean; readonly watchData?: boolean },
  output: Output,
): Promise<void> {
  if (flags.out !== undefined && !flags.force)
    throw new PipelineError(
      'ARGUMENTS',
      `--watch --out ${shortPath(flags.out)}: each run would have to replace the one before: add --force; without --out, each gets a directory of its own`,
    )
  const files = async (): Promise<string[]> => [
    ...filesOf(name, readOptions(flags)),
    ...(flags.watchData ? await dataFilesOf(name, readOptions(flags)) : []),
  ]
  await again(['--watch', '--watch-data'], files, output)
}

/** `millrace test --watch`: runs tests again whenever they, their pipelines or code change. */
export async function watchTests(names: readonly string[], flags: ReadingFlags, output: Output): Promise<void> {
  const files = async (): Promise<string[]> => {
    const tests = findTests(names.length > 0 ? names : ['.'])
    const suites = await readTests(tests, readOptions(flags)).catch(() => [])
    return [
      ...tests,
      ...[...tests, ...suites.map(({ pipelineFile }) => pipelineFile)].flatMap((file) =>
        filesOf(file, readOptions(flags)),
      ),
    ]
  }
  if ((await files()).length === 0)
    throw new PipelineError(
      'ARGUMENTS',
      'there are no tests to watch; millrace test PIPELINE --create makes a first one',
    )
  await again(['--watch'], files, output)
}

/** Time that a run under way gets to end, in milliseconds. It makes a checkpoint. */
const GRACE = 10_000

/** Runs this very command without some options again and again, until Ctrl-C. */
async function again(without: readonly string[], files: () => Promise<string[]>, output: Output): Promise<void> {
  const stop = interruption(output)
  const interrupted = aborted(stop.signal)
  const [script, ...given] = process.argv.slice(1) as [string, ...string[]]
  const args = given.filter((arg) => !without.includes(arg))
  try {
    while (!stop.signal.aborted) {
      const known = await files()
      const watcher = watchFiles(known)
      try {
        const child = spawn(process.execPath, [...process.execArgv, script, ...args], { stdio: 'inherit' })
        const ended = endOf(child)
        const first = await Promise.race([ended, watcher.changed, interrupted])
        await stopped(child, ended)
        if (stop.signal.aborted) break
        const folders = new Set(known.map((file) => dirname(file))).size
        if (first === 'ended')
          output.warn(`watching ${counted(known.length, 'file')} in ${counted(folders, 'folder')}; Ctrl-C ends\n`)
        const file =
          first === 'ended' || first === 'aborted' ? await Promise.race([watcher.changed, interrupted]) : first
        if (file !== 'aborted') output.warn(`\n${shortPath(file)} has changed\n`)
      } finally {
        watcher.close()
      }
    }
  } finally {
    stop.release()
  }
}

function endOf(child: ChildProcess): Promise<'ended'> {
  return new Promise((resolve) => {
    child.on('error', () => resolve('ended'))
    child.on('close', () => resolve('ended'))
  })
}

function aborted(signal: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('aborted')
    signal.addEventListener('abort', () => resolve('aborted'), { once: true })
  })
}

/** Ends a process that still runs as Ctrl-C does, and in the end by force. */
async function stopped(child: ChildProcess, ended: Promise<'ended'>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE)
  await ended
  clearTimeout(timer)
}
