import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PipelineError } from '../pipeline/base/errors.js'
import { entryPoint } from '../pipeline/base/package.js'
import { type Random, randomStream } from '../pipeline/base/random.js'
import { counted } from '../pipeline/base/words.js'
import { runDirectoryOf } from '../pipeline/definition/trust.js'
import { hasCheckpoints } from '../pipeline/directory/checkpoint.js'
import { comparedFiles, differingFiles } from '../report/compared-files.js'
import type { ReadingFlags } from './options.js'
import type { RunningFlags } from './run.js'
import { interruption, type Output } from './terminal.js'

/** The flags of `millrace verify-resume`. */
export interface VerifyResumeFlags extends ReadingFlags, RunningFlags {
  /** How often to kill, over all runs. */
  readonly kills: number
  /** The seed of the random moments. */
  readonly killSeed: number
  /** The directory for the runs; by default a temporary one. */
  readonly out?: string
}

/** The result of one run that was killed and resumed until it was done. */
interface KilledRun {
  kills: number
  /** Kills after which there was a checkpoint. */
  fromCheckpoint: number
  /** Files that are not those of the run without kills. */
  differing: readonly string[]
}

/**
 * `millrace verify-resume`: runs a pipeline without kills, then again with SIGKILL at random moments and a resume after
 * each, and compares the files byte by byte. Throws a PipelineError `CHECK` if a file differs.
 */
export async function verifyResumeCommand(name: string, flags: VerifyResumeFlags, output: Output): Promise<void> {
  const directory = flags.out === undefined ? mkdtempSync(join(tmpdir(), 'millrace-verify-')) : resolve(flags.out)
  if (flags.out !== undefined && existsSync(directory) && readdirSync(directory).length > 0)
    throw new PipelineError('ARGUMENTS', `--out ${flags.out}: expected an empty directory, or none`)
  const print = (text: string): void => {
    if (!flags.quiet && !flags.json) output.progress(text)
  }
  const stop = interruption(output)
  try {
    const trial = new Trial(name, flags, directory, stop.signal)
    const seconds = await trial.runWithoutKills()
    print(`without kills: ${seconds.toFixed(2)} s, ${counted(comparedFiles(trial.original).size, 'file')} to compare\n`)
    const random = randomStream(flags.killSeed, 'verify-resume', 'moments')
    const runs: KilledRun[] = []
    for (let left = flags.kills; left > 0; left -= runs.at(-1)!.kills) {
      const run = await trial.runWithKills(left, random)
      runs.push(run)
      if (run.kills > 0) print(`run ${runs.length}: killed ${times(run.kills)}, ${verdict(run)}\n`)
    }
    conclude(runs, flags, output)
    if (flags.out === undefined) rmSync(directory, { recursive: true })
  } catch (error) {
    print(`the compared runs are in ${directory}\n`)
    throw error
  } finally {
    stop.release()
  }
}

/** Prints the totals. Throws a PipelineError `CHECK` if a file differs. */
function conclude(runs: readonly KilledRun[], { json, quiet }: VerifyResumeFlags, output: Output): void {
  const count = (some: readonly KilledRun[], of: 'kills' | 'fromCheckpoint'): number =>
    some.reduce((sum, run) => sum + run[of], 0)
  const kills = count(runs, 'kills')
  const survived = count(
    runs.filter(({ differing }) => differing.length === 0),
    'kills',
  )
  const fromCheckpoint = count(runs, 'fromCheckpoint')
  const differing = [...new Set(runs.flatMap((run) => run.differing))].sort()
  const text =
    `${survived} of ${kills} kills survived with identical files, in ${counted(runs.length, 'run')}; ` +
    `after ${fromCheckpoint} kills there was a checkpoint`
  if (json) output.write(`${JSON.stringify({ kills, survived, fromCheckpoint, runs: runs.length, differing })}\n`)
  else if (!quiet) output.write(`${text}\n`)
  if (differing.length > 0)
    throw new PipelineError('CHECK', `files differ after kill and resume: ${differing.join(', ')}`)
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

function verdict({ differing }: KilledRun): string {
  return differing.length === 0 ? 'identical' : `different files: ${differing.join(', ')}`
}

const program = fileURLToPath(entryPoint('cli/main.js'))

/** Runs a pipeline in processes of its own, with and without kills. */
class Trial {
  /** The directory of the run without kills. */
  readonly original: string
  private readonly name: string
  private readonly directory: string
  private readonly signal: AbortSignal
  /** Arguments of `run` alone. */
  private readonly runArguments: readonly string[]
  /** Arguments of `run` and of `resume`. */
  private readonly commonArguments: readonly string[]
  private count = 0
  /** The time of a whole run, in seconds: the shortest so far. Kills are at random moments within it. */
  private duration = Number.POSITIVE_INFINITY

  constructor(name: string, flags: VerifyResumeFlags, directory: string, signal: AbortSignal) {
    const { set, seed, plugins, allowAbsolutePaths, kernel, threads, checkpoint = 'epoch' } = flags
    this.name = name
    this.directory = directory
    this.signal = signal
    this.original = join(directory, 'unbroken')
    const flagOf = (flag: string, value: unknown): string[] => (value === undefined ? [] : [flag, String(value)])
    const trust = [
      ...(plugins === false ? ['--no-plugins'] : flagOf('--plugins', plugins === true ? folderOf(name) : plugins)),
      ...(allowAbsolutePaths ? ['--allow-absolute-paths'] : []),
    ]
    this.runArguments = set.flatMap((each) => ['--set', each]).concat(flagOf('--seed', seed))
    this.commonArguments = [
      '--quiet',
      ...trust,
      ...flagOf('--kernel', kernel),
      ...flagOf('--threads', threads),
      ...flagOf('--checkpoint', checkpoint),
    ]
  }

  /** Runs the pipeline from start to end. Returns the seconds it took. */
  async runWithoutKills(): Promise<number> {
    await this.launch(['run', this.name, '--out', this.original, ...this.runArguments])
    return this.duration
  }

  /** Runs the pipeline, kills it at most `most` times, and resumes it until it is done. */
  async runWithKills(most: number, random: Random): Promise<KilledRun> {
    const path = join(this.directory, `killed-${++this.count}`)
    const run: KilledRun = { kills: 0, fromCheckpoint: 0, differing: [] }
    for (;;) {
      const isStarted = existsSync(join(path, 'pipeline.yaml'))
      const hasCheckpoint = run.kills > 0 && isStarted && hasCheckpoints(path)
      if (hasCheckpoint) run.fromCheckpoint++
      const command = isStarted ? ['resume', path] : ['run', this.name, '--out', path, '--force', ...this.runArguments]
      const moment = run.kills < most ? random.uniform() * this.duration : undefined
      if (await this.launch(command, moment)) break
      run.kills++
    }
    run.differing = differingFiles(this.original, path)
    if (run.differing.length === 0) rmSync(path, { recursive: true })
    return run
  }

  /** Starts a process. Returns true if it ended by itself, false if it was killed `moment` seconds after its start. */
  private launch(command: readonly string[], moment?: number): Promise<boolean> {
    return new Promise((done, fail) => {
      if (this.signal.aborted) return fail(new PipelineError('ABORTED', 'stopped before its end'))
      const child = spawn(process.execPath, [program, ...command, ...this.commonArguments], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const kill = (): unknown => child.kill('SIGKILL')
      const timer = moment === undefined ? undefined : setTimeout(kill, moment * 1000)
      this.signal.addEventListener('abort', kill)
      const start = process.hrtime.bigint()
      const errorText = textOf(child)
      child.on('error', fail)
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        this.signal.removeEventListener('abort', kill)
        if (this.signal.aborted) fail(new PipelineError('ABORTED', 'stopped before its end'))
        else if (signal === 'SIGKILL' && moment !== undefined) done(false)
        else if (code === 0) {
          const seconds = Number(process.hrtime.bigint() - start) / 1e9
          if (command[0] === 'run') this.duration = Math.min(this.duration, seconds)
          done(true)
        } else
          fail(
            new PipelineError(
              'CHECK',
              `millrace ${command.join(' ')} ended with ${code ?? signal}: ${errorText().trim()}`,
            ),
          )
      })
    })
  }
}

/**
 * The folder of a definition. The copy of the definition in a run directory finds its stage files there. Undefined if it
 * is a run directory, from which no code is loaded.
 */
function folderOf(name: string): string | undefined {
  return existsSync(name) && runDirectoryOf(name) === undefined ? dirname(resolve(name)) : undefined
}

/** Collects what a process writes to standard error. Returns a function that gives the text so far. */
function textOf({ stderr }: ChildProcess): () => string {
  let text = ''
  stderr?.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  return () => text
}
