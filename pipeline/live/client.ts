import { createConnection } from 'node:net'
import { messageOf, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { type LiveMessage, type LiveRequest, PROTOCOL } from './contract.js'
import { findSocket } from './socket-place.js'

/** A longer line is none of a run, in characters. */
const LONGEST_LINE = 8 << 20

/**
 * Asks the run in a directory, and yields what it answers, from the first message after its greeting to its last; ends
 * without a message `end` if the process is killed. Returns undefined if no process listens: the run has ended, was
 * killed, or has no socket. Abort `signal` to hang up. Throws a PipelineError `DATA` if what answers is no run of this
 * version's protocol, or refuses the request.
 */
export async function askRun(
  directory: string,
  request: LiveRequest,
  signal?: AbortSignal,
): Promise<AsyncGenerator<LiveMessage> | undefined> {
  if (signal?.aborted) return undefined
  const place = findSocket(directory)
  if (!place) return undefined
  const socket = createConnection(place.path)
  const hangUp = (): void => {
    socket.destroy()
  }
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
      signal?.addEventListener('abort', hangUp, { once: true })
      socket.once('close', () => reject(new Error('closed')))
    })
  } catch {
    signal?.removeEventListener('abort', hangUp)
    return undefined
  } finally {
    place.remove()
  }
  socket.write(`${JSON.stringify(request)}\n`)
  return messages(lines(socket), shortPath(directory), () => {
    signal?.removeEventListener('abort', hangUp)
    socket.destroy()
  })
}

async function* messages(
  lines: AsyncIterable<string>,
  directory: string,
  close: () => void,
): AsyncGenerator<LiveMessage> {
  let isGreeted = false
  try {
    for await (const line of lines) {
      const message = parse(line, directory)
      if (message.type === 'error') throw new PipelineError('DATA', `${directory}: ${message.message}`)
      if (isGreeted) {
        yield message
        if (message.type === 'end') return
        continue
      }
      if (message.type !== 'hello' || message.protocol !== PROTOCOL)
        throw new PipelineError(
          'DATA',
          `${directory}: the run speaks ${message.type === 'hello' ? `version ${message.protocol} of its protocol` : 'another protocol'}, expected version ${PROTOCOL}; use the version of Millrace that runs it`,
        )
      isGreeted = true
    }
  } finally {
    close()
  }
}

function parse(line: string, directory: string): LiveMessage {
  try {
    const message = JSON.parse(line) as LiveMessage
    if (typeof message?.type === 'string') return message
  } catch {
    // Told below.
  }
  throw new PipelineError('DATA', `${directory}: what listens at its socket is no run`)
}

/** The lines that a socket gives. A connection that breaks ends them. */
async function* lines(socket: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pieces: Buffer[] = []
  let length = 0
  try {
    for await (const piece of socket) {
      let rest = piece
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        yield Buffer.concat([...pieces, rest.subarray(0, end)]).toString()
        pieces = []
        length = 0
        rest = rest.subarray(end + 1)
      }
      pieces.push(rest)
      length += rest.length
      if (length > LONGEST_LINE)
        throw new PipelineError('DATA', 'what listens at the socket is no run: its lines have no end')
    }
  } catch (error) {
    if (error instanceof PipelineError || !isBroken(error)) throw error
  }
}

function isBroken(error: unknown): boolean {
  return /ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|ABORT|closed/.test(
    `${(error as { code?: string }).code} ${messageOf(error)}`,
  )
}
