import { openServer, type Server } from '../sweep/queue/index.js'
import type { Output } from './terminal.js'

/** The flags of every command that talks to a queue. */
export interface QueueFlags {
  /** The URL of the server. */
  readonly queue: string
  /** True if the result is printed as JSON. */
  readonly json?: boolean
}

/**
 * Takes the secret out of the environment, and the address of the queue, which may have a password: so no definition
 * can name them, and no stage sees them. Returns the secret.
 */
export function takeSecret(): string | undefined {
  const secret = process.env.MILLRACE_QUEUE_SECRET
  for (const name of ['MILLRACE_QUEUE_SECRET', 'MILLRACE_QUEUE']) delete process.env[name]
  return secret
}

/** Connects to the server, and closes the connection after use. */
export async function withServer(
  { queue }: QueueFlags,
  output: Output,
  use: (server: Server) => Promise<unknown>,
): Promise<void> {
  const server = await openServer(
    queue,
    onceEach((message) => output.warn(`note: ${message}\n`)),
  )
  try {
    await use(server)
  } finally {
    await server.close()
  }
}

/** Prints remarks as notes. */
export function remarksTo(output: Output): (text: string) => void {
  return (text) => output.warn(`note: ${text}\n`)
}

/** Tells each message once: while a server does not answer, the same one comes again and again. */
function onceEach(tell: (message: string) => void): (message: string) => void {
  const told = new Set<string>()
  return (message) => {
    if (!told.has(message)) tell(message)
    told.add(message)
  }
}
