import { createServer, type Server, type Socket } from 'node:net'
import type { z } from 'zod'
import { messageOf } from '../base/errors.js'
import { version } from '../base/package.js'
import { INTERVAL, type LiveMessage, liveRequest, PROTOCOL } from './contract.js'
import type { RunObserver } from './observer.js'
import { sendTables } from './send-tables.js'
import { makePrivate, makeSocketPlace, type SocketPlace } from './socket-place.js'
import type { WireTaps } from './wire-taps.js'

/** More clients at a time are refused. */
const MOST_CLIENTS = 16
/** A longer request is refused, in bytes. */
const LONGEST_REQUEST = 4096
/** A client that has not asked for anything by then is dropped, in milliseconds. */
const PATIENCE = 10_000
/** A client does not get the next state while so many bytes wait for it; if that lasts for `PATIENCE`, it is dropped. */
const MOST_WAITING = 256 << 10
/** After the run, clients have so many milliseconds to take the last message. */
const FAREWELL = 200

/** The open socket of a run. */
export interface LiveSocket {
  /** How the run ended; the clients are told at `close`. */
  status: 'done' | 'interrupted' | 'failed'
  /** Tells the clients that the run has ended, and removes the socket. */
  close(): void
}

/**
 * Opens the socket of a run in its directory, mode 600. Nothing that a client does, and no error of the socket, reaches
 * the run; if the socket cannot be made, the run goes on without. Runs without a directory have no socket.
 */
export function openLiveSocket(directory: string, observer: RunObserver, taps: WireTaps): LiveSocket {
  const none = { status: 'failed' as const, close: () => {} }
  if (directory === '') return none
  try {
    const place = makeSocketPlace(directory)
    try {
      return new SocketServer(place, observer, taps)
    } catch {
      place.remove()
      return none
    }
  } catch {
    return none
  }
}

class SocketServer implements LiveSocket {
  status: LiveSocket['status'] = 'failed'
  private readonly place: SocketPlace
  private readonly observer: RunObserver
  private readonly taps: WireTaps
  private readonly server: Server
  private readonly clients = new Set<Socket>()
  /** The clients that get states, with the time since which they have taken none. */
  private readonly watching = new Map<Socket, number>()
  private timer: NodeJS.Timeout | undefined
  /** An unhandled exit still removes the socket. */
  private readonly onExit = (): void => this.place.remove()

  constructor(place: SocketPlace, observer: RunObserver, taps: WireTaps) {
    this.place = place
    this.observer = observer
    this.taps = taps
    this.server = createServer((client) => this.welcome(client))
    this.server.on('error', () => this.place.remove())
    // The socket must not be open to others even for a moment. It is bound before `listen` returns.
    const umask = setUmask(0o177)
    try {
      this.server.listen(place.path)
      makePrivate(place.path)
    } finally {
      if (umask !== undefined) setUmask(umask)
    }
    this.server.unref()
    process.on('exit', this.onExit)
  }

  close(): void {
    process.off('exit', this.onExit)
    clearInterval(this.timer)
    this.server.close()
    this.place.remove()
    for (const client of this.clients) {
      // The process may end now, but not before the message is sent or the client has had its time.
      client.ref()
      send(client, { type: 'end', reason: this.status })
      client.end()
      setTimeout(() => client.destroy(), FAREWELL).unref()
    }
  }

  private welcome(client: Socket): void {
    client.unref()
    client.on('error', () => client.destroy())
    client.on('close', () => this.forget(client))
    if (this.clients.size >= MOST_CLIENTS) {
      refuse(client, `${MOST_CLIENTS} clients look at this run already`)
      return
    }
    this.clients.add(client)
    send(client, { type: 'hello', protocol: PROTOCOL, millrace: version })
    const patience = setTimeout(() => client.destroy(), PATIENCE).unref()
    let text = ''
    const read = (piece: Buffer): void => {
      text += piece.toString('latin1')
      const end = text.indexOf('\n')
      if (end < 0 && text.length <= LONGEST_REQUEST) return
      clearTimeout(patience)
      client.off('data', read)
      // What a client sends after its request is thrown away.
      client.resume()
      if (end < 0 || end > LONGEST_REQUEST) refuse(client, `a request has ${LONGEST_REQUEST} bytes at most`)
      else this.answer(client, Buffer.from(text.slice(0, end), 'latin1').toString())
    }
    client.on('data', read)
    client.on('close', () => clearTimeout(patience))
  }

  private answer(client: Socket, line: string): void {
    const request = requestIn(line)
    if (typeof request === 'string') {
      refuse(client, request)
      return
    }
    if (request.type === 'state') {
      this.watch(client)
      return
    }
    const { wire, n } = request
    sendTables(client, this.taps, wire, n).then(
      () => finish(client, { type: 'end', reason: 'tapped' }),
      (error) => refuse(client, messageOf(error)),
    )
  }

  private watch(client: Socket): void {
    this.watching.set(client, Date.now())
    send(client, this.observer.state())
    this.timer ??= setInterval(() => this.sendStates(), INTERVAL).unref()
  }

  private sendStates(): void {
    const line = encode(this.observer.state())
    for (const [client, since] of this.watching) {
      if (client.writableLength < MOST_WAITING) {
        client.write(line)
        this.watching.set(client, Date.now())
      } else if (Date.now() - since > PATIENCE) client.destroy()
    }
  }

  private forget(client: Socket): void {
    this.clients.delete(client)
    this.watching.delete(client)
    if (this.watching.size > 0) return
    clearInterval(this.timer)
    this.timer = undefined
  }
}

/** The request in a line, or what is wrong with it. */
function requestIn(line: string): z.output<typeof liveRequest> | string {
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch {
    return 'expected a request as a line of JSON'
  }
  const { data, error } = liveRequest.safeParse(json)
  return data ?? `expected {"type":"state"} or {"type":"tap","wire":ID,"n":NUMBER}: ${error?.issues[0]?.message}`
}

/** Sets the umask of the process and returns the one before; undefined in a worker thread, which cannot. */
function setUmask(mask: number): number | undefined {
  try {
    return process.umask(mask)
  } catch {
    return undefined
  }
}

function encode(message: LiveMessage): string {
  return `${JSON.stringify(message)}\n`
}

function send(client: Socket, message: LiveMessage): void {
  if (client.writable) client.write(encode(message))
}

function finish(client: Socket, message: LiveMessage): void {
  if (client.writable) client.end(encode(message))
  setTimeout(() => client.destroy(), PATIENCE).unref()
}

function refuse(client: Socket, message: string): void {
  finish(client, { type: 'error', message })
}
