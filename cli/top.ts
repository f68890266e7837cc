import { basename, dirname, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { shortPath } from '../pipeline/base/words.js'
import { askRun } from '../pipeline/live/client.js'
import type { LiveMessage, LiveState } from '../pipeline/live/contract.js'
import { readRun, runDirectories } from '../report/index.js'
import { drawState, stylesOf } from './screen/draw-state.js'
import { canDraw, LiveScreen } from './screen/live-screen.js'
import { shareLines } from './share-lines.js'
import { interruption, type Output } from './terminal.js'
import { type GoingRun, goingRuns, looks, runLines } from './top-runs.js'

/** Milliseconds until the next run of a folder is looked for. */
const NEXT = 1000

/** The flags of `millrace top`. */
export interface TopFlags {
  /** Prints every state as a line of JSON. */
  readonly json?: boolean
}

/**
 * `millrace top`: shows a run of another process until it ends, or until q or Ctrl-C, which leave the run alone. Of a
 * run that has ended it says so. Of a folder, it shows the one run that goes on and then the next, or a line for each if there
 * are several, or if they are points of a sweep. Throws a PipelineError `ARGUMENTS` if the directory has no run.
 */
export async function topCommand(place: string, { json = false }: TopFlags, output: Output): Promise<void> {
  const stop = interruption(output)
  const leaving = new AbortController()
  const signal = AbortSignal.any([stop.signal, leaving.signal])
  const leave = (): void => leaving.abort()
  try {
    const folder = resolve(place)
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      const directory = await runToShow(folder, signal)
      if (directory === undefined) await showRuns(folder, isFirst, json, output, signal, leave)
      else {
        const messages = await askRun(directory, { type: 'state' }, signal)
        const reason = messages && (await show(messages, json, output, signal, leave))
        if (!signal.aborted) output.write(endOf(directory, reason, json))
      }
      if (directory === undefined || directory === folder) break
      // The next run of a loop in a shell needs a moment to begin.
      await pause(NEXT, undefined, { signal }).catch(() => {})
    }
    // Ctrl-C is the usual way out.
    if (signal.aborted) process.exitCode = 0
  } finally {
    stop.release()
  }
}

/** The run that is shown alone: the directory itself, or the only run in a folder that goes on and is no point of a sweep. */
async function runToShow(place: string, signal: AbortSignal): Promise<string | undefined> {
  const all = runDirectories(place)
  // What is no folder of runs is taken for a run, and refused as one.
  if (all.length === 0 || all[0] === place) return place
  const going = await goingRuns(all, signal)
  const [{ directory } = { directory: '' }] = going
  const isPoint = ['points', 'working'].includes(basename(dirname(directory)))
  return going.length === 1 && !isPoint ? directory : undefined
}

/** Shows a line for each run, until all have ended. How a run ended stays above. Says so if none goes on. */
async function showRuns(
  folder: string,
  isFirst: boolean,
  json: boolean,
  output: Output,
  signal: AbortSignal,
  leave: () => void,
): Promise<void> {
  let runs: readonly GoingRun[] | undefined
  const isDrawn = !json && canDraw(output)
  const screen = isDrawn ? new LiveScreen(output, (size) => runLines(runs ?? [], size), undefined) : undefined
  const releaseKeys = isDrawn ? onQuitKey(leave) : () => {}
  try {
    for await (const going of looks(() => runDirectories(folder), signal)) {
      if (!runs && going.length === 0)
        return output.write(
          json
            ? ''
            : `no ${isFirst ? 'run' : 'other run'} in ${shortPath(folder)} goes on; millrace ls ${shortPath(folder)} lists them\n`,
        )
      const over = (runs ?? []).filter(({ directory }) => !going.some((run) => run.directory === directory))
      runs = going
      const ends = over.map(({ directory }) => endIfThere(directory, json)).join('')
      if (screen) screen.above(ends)
      else {
        const lines = going.map((run) =>
          json ? JSON.stringify(run) : `${shortPath(run.directory)}: ${plainLine(run.state)}`,
        )
        output.write(ends + lines.map((line) => `${line}\n`).join(''))
        await output.drained()
        if (output.isClosed) leave()
      }
    }
  } finally {
    releaseKeys()
    screen?.close()
  }
}

/** Shows the states until the last one. Returns how the run ended; undefined if the connection broke. */
async function show(
  messages: AsyncGenerator<LiveMessage>,
  json: boolean,
  output: Output,
  signal: AbortSignal,
  leave: () => void,
): Promise<string | undefined> {
  const styles = stylesOf()
  let state: LiveState | undefined
  const isDrawn = !json && canDraw(output)
  const screen = isDrawn
    ? new LiveScreen(output, (size) => (state ? drawState(state, size, styles) : []), undefined)
    : undefined
  const releaseKeys = isDrawn ? onQuitKey(leave) : () => {}
  try {
    for await (const message of messages) {
      if (message.type === 'end') return message.reason
      if (message.type !== 'state') continue
      state = message
      if (screen) screen.repaint()
      else {
        output.write(`${json ? JSON.stringify(message) : plainLine(message)}\n`)
        await output.drained()
        if (output.isClosed) leave()
      }
      if (signal.aborted) return undefined
    }
    return undefined
  } finally {
    releaseKeys()
    screen?.close()
  }
}

/** A state as one line, for outputs that are no terminal. */
function plainLine({ name, position, progress, bottleneck }: LiveState): string {
  return [
    oneLine(name),
    ...(position ? [`epoch ${position.epoch} of ${position.epochs}`, `step ${position.step}`] : []),
    ...(progress === undefined ? [] : [`${Math.floor(100 * progress)} %`]),
    ...(bottleneck === undefined ? [] : [`most time in ${oneLine(bottleneck)}`]),
  ].join(', ')
}

/** How a run ended. Its directory may be gone, because a worker of a queue moves it to the points that have ended. */
function endIfThere(directory: string, json: boolean): string {
  try {
    return endOf(directory, undefined, json)
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    return json ? '' : `${shortPath(directory)} has ended\n`
  }
}

/** How a run ended, from its record. */
function endOf(directory: string, reason: string | undefined, json: boolean): string {
  const { record, metrics, metricInfos } = readRun(directory)
  const { status: recorded, error } = record
  // A killed run leaves this status behind.
  const status = reason ?? (recorded === 'running' ? 'killed, or running where its socket cannot be reached' : recorded)
  const last = metrics.at(-1)
  if (json) return `${JSON.stringify({ type: 'end', directory: shortPath(directory), status, last })}\n`
  return [
    `${shortPath(directory)}: ${status}${error === undefined ? '' : `: ${oneLine(error)}`}`,
    ...shareLines(last ?? {}, Object.fromEntries(metricInfos)),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

/** Calls back at the key q. Ctrl-C stays a signal. Returns what gives the keyboard back. */
function onQuitKey(quit: () => void): () => void {
  const { stdin } = process
  if (!stdin.isTTY) return () => {}
  const onKey = (keys: Buffer): void => {
    // In raw mode, Ctrl-C is a key as well.
    if (['q', 'Q', '\x03'].some((key) => keys.toString().includes(key))) quit()
  }
  stdin.setRawMode(true)
  stdin.on('data', onKey)
  const release = (): void => {
    stdin.off('data', onKey)
    stdin.setRawMode(false)
    stdin.pause()
    process.off('exit', release)
  }
  process.on('exit', release)
  return release
}
