import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, readdirSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporary } from '../../stages/harness.js'
import { pause, until } from '../../waiting.js'

/** A server for one test, with a port and a directory of its own. */
export interface TestServer {
  readonly url: string
  readonly pid: number
  /** Kills the server, as a crash would, and starts it again. */
  crash(downMs: number): Promise<void>
}

/** Says why a server is missing. Returns undefined if it is not. Throws if the tests require all servers. */
function missing(program: string | undefined, name: string): string | undefined {
  if (program !== undefined && !spawnSync(program, ['--version']).error) return undefined
  if (process.env.MILLRACE_REQUIRE_ENGINES === '1')
    throw new Error(`MILLRACE_REQUIRE_ENGINES=1, but there is no ${name}`)
  return `there is no ${name} here (Debian: redis-server postgresql)`
}

export const redisMissing = missing('redis-server', 'redis-server')

/** Starts Redis with an append-only log; it ends with the test. */
export async function startRedis(t: Test, host = '127.0.0.1', via: readonly string[] = []): Promise<TestServer> {
  const port = via.length > 0 ? 6379 : await freePort()
  const directory = temporary(t)
  const settings = ['--port', port, '--bind', host, '--dir', directory, '--appendonly', 'yes', '--save', '']
  const command = [...via, 'redis-server', ...settings.map(String), '--protected-mode', 'no']
  const start = (): ChildProcess => spawn(command[0]!, command.slice(1), { stdio: 'ignore' })
  let server = start()
  t.teardown(() => end(server, 'SIGKILL'))
  await answering(port, host, via)
  return {
    url: `redis://${host}:${port}`,
    get pid() {
      return server.pid!
    },
    async crash(downMs) {
      await end(server, 'SIGKILL')
      await pause(downMs)
      server = start()
      await answering(port, host, via)
    },
  }
}

const postgresFolder = '/usr/lib/postgresql'
const postgresBin = folderOf(postgresFolder)

export const postgresMissing = missing(postgresBin && join(postgresBin, 'initdb'), 'postgresql')

function folderOf(parent: string): string | undefined {
  try {
    const newest = readdirSync(parent).sort((a, b) => Number(b) - Number(a))[0]
    return newest && join(parent, newest, 'bin')
  } catch {
    return undefined
  }
}

/** Starts PostgreSQL; it ends with the test. */
export async function startPostgres(t: Test): Promise<TestServer> {
  const port = await freePort()
  const directory = temporary(t)
  // PostgreSQL refuses to run as root.
  const isRoot = process.getuid?.() === 0
  const uid = isRoot ? Number(execFileSync('id', ['-u', 'nobody'])) : undefined
  if (uid !== undefined) chownSync(directory, uid, uid)
  const as = { ...(uid !== undefined && { uid, gid: uid }), cwd: directory, stdio: 'ignore' as const }
  const data = join(directory, 'data')
  execFileSync(join(postgresBin!, 'initdb'), ['-D', data, '-U', 'millrace', '--auth=trust', '--no-sync'], as)
  const settings = ['-D', data, '-p', String(port), '-k', directory, '-c', 'listen_addresses=127.0.0.1']
  const start = (): ChildProcess => spawn(join(postgresBin!, 'postgres'), settings, as)
  let server = start()
  t.teardown(() => end(server, 'SIGQUIT'))
  const ready = (): Promise<void> =>
    until(
      async () => !spawnSync(join(postgresBin!, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], as).status,
      'the server',
    )
  await ready()
  return {
    url: `postgres://millrace@127.0.0.1:${port}/postgres`,
    get pid() {
      return server.pid!
    },
    async crash(downMs) {
      // A server that is killed does not free its shared memory for the next one.
      await end(server, 'SIGQUIT')
      await pause(downMs)
      server = start()
      await ready()
    },
  }
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const ended = once(server, 'exit')
  server.kill(signal)
  await ended
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

function answering(port: number, host: string, via: readonly string[]): Promise<void> {
  return until(
    () =>
      via.length > 0
        ? Promise.resolve(execOk([...via, 'redis-cli', '-h', host, 'ping']))
        : new Promise((resolve) => {
            const socket = connect(port, host)
            socket.on('connect', () => {
              socket.destroy()
              resolve(true)
            })
            socket.on('error', () => resolve(false))
          }),
    'the server',
  )
}

function execOk([program, ...args]: readonly string[]): boolean {
  return spawnSync(program!, args).stdout?.toString().trim() === 'PONG'
}
