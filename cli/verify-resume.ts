import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PipelineError } from '../pipeline/base/errors.js'
import { type Random, randomStream } from '../pipeline/base/random.js'
import { hasCheckpoints } from '../pipeline/directory/checkpoint.js'
import { comparedFiles, differingFiles } from '../report/compared-files.js'
import { interruption } from './interruption.js'
import type { Output } from './output.js'
import type { ReadingFlags } from './reading.js'
import type { RunningFlags } from './run.js'

export interface VerifyResumeFlags extends ReadingFlags, RunningFlags {
  readonly kills: number
  readonly killSeed: number
  readonly out?: string
}

/** One run that was killed, and resumed until it came to its end. */
interface Life {
  kills: number
  /** Kills after which a checkpoint was there. */
  fromCheckpoint: number
  differing: readonly string[]
}

/**
 * `millrace verify-resume`: runs a pipeline unbroken, then again with SIGKILL at random moments, resumed after each, and
 * compares what came out byte by byte. Throws a PipelineError `CHECK` where anything differs.
 */
export async function verifyResumeCommand(name: string, flags: VerifyResumeFlags, output: Output): Promise<void> {
  const directory = flags.out === undefined ? mkdtempSync(join(tmpdir(), 'millrace-verify-')) : resolve(flags.out)
  if (flags.out !== undefined && existsSync(directory) && readdirSync(directory).length > 0)
    throw new PipelineError('ARGUMENTS', `--out ${flags.out}: expected an empty directory, or none`)
  const say = (text: string): void => {
    if (!flags.quiet && !flags.json) output.write(text)
  }
  const stop = interruption()
  try {
    const prover = new Prover(name, flags, directory, stop.signal)
    const seconds = await prover.unbroken()
    say(`unbroken: ${seconds.toFixed(2)} s, ${comparedFiles(prover.original).size} files to compare\n`)
    const random = randomStream(flags.killSeed, 'verify-resume', 'moments')
    const lives: Life[] = []
    for (let left = flags.kills; left > 0; left -= lives.at(-1)!.kills) {
      const life = await prover.live(left, random)
      lives.push(life)
      if (life.kills > 0) say(`run ${lives.length}: killed ${times(life.kills)}, ${verdict(life)}\n`)
    }
    conclude(lives, flags, output)
    if (flags.out === undefined) rmSync(directory, { recursive: true })
  } catch (error) {
    say(`what was compared is in ${directory}\n`)
    throw error
  } finally {
    stop.release()
  }
}

function conclude(lives: readonly Life[], { json, quiet }: VerifyResumeFlags, output: Output): void {
  const count = (some: readonly Life[], of: 'kills' | 'fromCheckpoint'): number =>
    some.reduce((sum, life) => sum + life[of], 0)
  const kills = count(lives, 'kills')
  const survived = count(
    lives.filter(({ differing }) => differing.length === 0),
    'kills',
  )
  const fromCheckpoint = count(lives, 'fromCheckpoint')
  const differing = [...new Set(lives.flatMap((life) => life.differing))].sort()
  const text = `${survived} of ${kills} kills survived with identical files, in ${lives.length} runs; ${fromCheckpoint} times a checkpoint was there`
  if (json) output.write(`${JSON.stringify({ kills, survived, fromCheckpoint, runs: lives.length, differing })}\n`)
  else if (!quiet) output.write(`${text}\n`)
  if (differing.length > 0)
    throw new PipelineError('CHECK', `killed and resumed, the run wrote other files: ${differing.join(', ')}`)
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

function verdict({ differing }: Life): string {
  return differing.length === 0 ? 'identical' : `other files: ${differing.join(', ')}`
}

const program = fileURLToPath(new URL('./main.js', import.meta.url))

class Prover {
  readonly original: string
  private readonly name: string
  private readonly directory: string
  private readonly signal: AbortSignal
  private readonly reading: readonly string[]
  private readonly running: readonly string[]
  private count = 0
  /** How long a whole run takes, in seconds: the shortest so far. */
  private span = Number.POSITIVE_INFINITY

  constructor(name: string, flags: VerifyResumeFlags, directory: string, signal: AbortSignal) {
    const { set, seed, plugins, allowAbsolutePaths, kernel, threads, checkpoint = 'epoch' } = flags
    this.name = name
    this.directory = directory
    this.signal = signal
    this.original = join(directory, 'unbroken')
    const given = (flag: string, value: unknown): string[] => (value === undefined ? [] : [flag, String(value)])
    const trust = [
      ...(plugins === false ? ['--no-plugins'] : given('--plugins', plugins === true ? folderOf(name) : plugins)),
      ...(allowAbsolutePaths ? ['--allow-absolute-paths'] : []),
    ]
    this.reading = set.flatMap((each) => ['--set', each]).concat(given('--seed', seed))
    this.running = [
      '--quiet',
      ...trust,
      ...given('--kernel', kernel),
      ...given('--threads', threads),
      ...given('--checkpoint', checkpoint),
    ]
  }

  /** Runs from start to end; the seconds it took. */
  async unbroken(): Promise<number> {
    await this.launch(['run', this.name, '--out', this.original, ...this.reading])
    return this.span
  }

  /** Runs, is killed at most so many times, and is resumed until it is done. */
  async live(most: number, random: Random): Promise<Life> {
    const path = join(this.directory, `killed-${++this.count}`)
    const life: Life = { kills: 0, fromCheckpoint: 0, differing: [] }
    for (;;) {
      const hasBegun = existsSync(join(path, 'pipeline.yaml'))
      const hasCheckpoint = life.kills > 0 && hasBegun && hasCheckpoints(path)
      if (hasCheckpoint) life.fromCheckpoint++
      const command = hasBegun ? ['resume', path] : ['run', this.name, '--out', path, '--force', ...this.reading]
      const moment = life.kills < most ? random.uniform() * this.span : undefined
      if (await this.launch(command, moment)) break
      life.kills++
    }
    life.differing = differingFiles(this.original, path)
    if (life.differing.length === 0) rmSync(path, { recursive: true })
    return life
  }

  /** True where a process came to its end, false where it was killed `moment` seconds after its start. */
  private launch(command: readonly string[], moment?: number): Promise<boolean> {
    return new Promise((done, fail) => {
      if (this.signal.aborted) return fail(new PipelineError('ABORTED', 'stopped before its end'))
      const child = spawn(process.execPath, [program, ...command, ...this.running], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const kill = (): unknown => child.kill('SIGKILL')
      const timer = moment === undefined ? undefined : setTimeout(kill, moment * 1000)
      this.signal.addEventListener('abort', kill)
      const start = process.hrtime.bigint()
      const said = textOf(child)
      child.on('error', fail)
      child.on('close', (code, signal) => {
        clearTimeout(timer)
        this.signal.removeEventListener('abort', kill)
        if (this.signal.aborted) fail(new PipelineError('ABORTED', 'stopped before its end'))
        else if (signal === 'SIGKILL' && moment !== undefined) done(false)
        else if (code === 0) {
          const seconds = Number(process.hrtime.bigint() - start) / 1e9
          if (command[0] === 'run') this.span = Math.min(this.span, seconds)
          done(true)
        } else
          fail(
            new PipelineError('CHECK', `millrace ${command.join(' ')} ended with ${code ?? signal}: ${said().trim()}`),
          )
      })
    })
  }
}

/** The folder of a definition: its copies in run directories find their stage files there. */
function folderOf(name: string): string | undefined {
  return existsSync(name) ? dirname(resolve(name)) : undefined
}

function textOf({ stderr }: ChildProcess): () => string {
  let text = ''
  stderr?.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  return () => text
}
