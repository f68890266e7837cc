import { setTimeout as pause } from 'node:timers/promises'
import { PipelineError } from '../pipeline/base/errors.js'
import { type Server, type Signer, type SweepStatus, statusOf } from '../sweep/queue/index.js'
import { type QueueFlags, withServer } from './queue-connection.js'
import { statusLine } from './queue-lines.js'
import { interruption, type Output, USUAL_WIDTH } from './terminal.js'

/** Milliseconds between two looks at the queue. */
const INTERVAL = 1000

const redraw = '\r\x1b[2K'

/** `millrace sweep status --follow`: prints how far sweeps are whenever that changes, until no point is left. */
export async function followStatus(flags: QueueFlags, signer: Signer, output: Output): Promise<void> {
  await withServer(flags, output, async (server) => {
    const isOver = await look(server, () => true, signer, output, undefined)
    if (isOver === 'none') output.write(`no sweep at ${server.name}\n`)
  })
}

/**
 * Waits until no point of a sweep is waiting or running, or until the time is over. Resolves with whether results are to be
 * collected: not after Ctrl-C, which leaves everything as it is.
 *
 * @param timeout in seconds; undefined: for ever
 */
export async function waitFor(
  server: Server,
  name: string,
  timeout: number | undefined,
  signer: Signer,
  output: Output,
  isQuiet: boolean,
): Promise<boolean> {
  const shown: Output = isQuiet ? { ...output, progress: () => {} } : output
  const end = await look(server, (sweep) => sweep.name === name, signer, shown, timeout)
  if (end === 'none') throw new PipelineError('ARGUMENTS', `the sweep ${name} is no longer at ${server.name}`)
  return end !== 'aborted'
}

/**
 * Looks at the queue again and again, and shows what has changed. On a terminal, a single sweep is one line that is drawn
 * again; everything else is printed line by line.
 */
async function look(
  server: Server,
  isMeant: (sweep: SweepStatus) => boolean,
  signer: Signer,
  output: Output,
  timeout: number | undefined,
): Promise<'done' | 'aborted' | 'timeout' | 'none'> {
  const stop = interruption(output)
  const until = timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout * 1000
  const shown = new Map<string, string>()
  let isOpen = false
  try {
    for (;;) {
      const sweeps = (await statusOf(server, signer)).filter(isMeant)
      if (sweeps.length === 0) return 'none'
      const isCalm = output.interactive && sweeps.length === 1
      for (const sweep of sweeps) {
        const line = statusLine(sweep)
        if (shown.get(sweep.name) === line) continue
        shown.set(sweep.name, line)
        output.progress(isCalm ? `${redraw}${line.slice(0, (output.width ?? USUAL_WIDTH) - 1)}` : `${line}\n`)
        isOpen = isCalm
      }
      if (sweeps.every(({ running, waiting }) => running + waiting === 0)) return 'done'
      if (performance.now() >= until) return 'timeout'
      await pause(Math.min(INTERVAL, until - performance.now()), undefined, { signal: stop.signal }).catch(() => {})
      if (stop.signal.aborted) return 'aborted'
    }
  } finally {
    if (isOpen) output.progress('\n')
    stop.release()
  }
}
