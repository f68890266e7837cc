import { createConnection } from 'node:net'
import { messageOf, PipelineError } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { firstIssue } from '../definition/issues.js'
import { type LiveMessage, type LiveRequest, PROTOCOL } from './contract.js'
import { liveMessage } from './received.js'
import { findSocket } from './socket-place.js'

/** A longer line is none of a run, in characters. */
const LONGEST_LINE = 8 << 20

/** A run answers at once; one that has not done so after so many milliseconds is stopped, or is none. */
const GREETING = 10_000

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
  const name = shortPath(directory)
  const late = setTimeout(
    () => socket.destroy(noRun(name, `it has said nothing for ${GREETING / 1000} s; it may be stopped`)),
    GREETING,
  )
  return messages(lines(socket, name), name, {
    greeted: () => clearTimeout(late),
    close: () => {
      clearTimeout(late)
      signal?.removeEventListener('abort', hangUp)
      socket.destroy()
    },
  })
}

async function* messages(
  lines: AsyncIterable<string>,
  directory: string,
  on: { readonly greeted: () => void; readonly close: () => void },
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
      on.greeted()
    }
  } finally {
    on.close()
  }
}

function parse(line: string, directory: string): LiveMessage {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    throw noRun(directory, 'expected lines of JSON')
  }
  const { data, error } = liveMessage.safeParse(json)
  if (data) return data
  throw noRun(directory, `expected a message of a run: ${firstIssue(error)}`)
}

function noRun(directory: string, why: string): PipelineError {
  return new PipelineError('DATA', `${directory}: what listens at its socket is no run: ${why}`)
}

/** The lines that a socket gives. A connection that breaks ends them. */
async function* lines(socket: AsyncIterable<Buffer>, directory: string): AsyncGenerator<string> {
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
      if (length > LONGEST_LINE) throw noRun(directory, 'its lines have no end')
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
