import type { BackendFactory } from 'bullmq'
import { messageOf, PipelineError } from '../../pipeline/base/errors.js'
import { importOptional } from './packages.js'
import { ANSWER_TIMEOUT, openPatientPool, RECONNECT_DELAY } from './postgres.js'

/** The server where BullMQ keeps its queues, and how to connect to it. */
interface Backend {
  /** Makes the classes of BullMQ for this kind of server. */
  // biome-ignore lint/suspicious/noExplicitAny: it is generic in types that only BullMQ knows.
  readonly factory: BackendFactory<any, any>
  /** The options that the classes of BullMQ connect with. */
  readonly connection: object
  /** Turns reconnecting off: a connection that is lost from now on stays lost. */
  readonly leave: () => void
  /** Closes the connections that BullMQ does not close itself. */
  readonly close: () => Promise<void>
  /** Notes on the setup of the server, for example that a crash may lose results. */
  readonly warnings: readonly string[]
}

/**
 * Finds the server of a URL and checks that it answers. Throws a PipelineError `ARGUMENTS` if the URL is wrong, if a
 * package is missing, or if no server answers within five seconds.
 */
export async function openBackend(url: string): Promise<Backend> {
  const protocol = URL.canParse(url) ? new URL(url).protocol : ''
  if (['redis:', 'rediss:'].includes(protocol)) return openRedis(url)
  if (['postgres:', 'postgresql:'].includes(protocol)) return openPostgres(url)
  throw new PipelineError(
    'ARGUMENTS',
    `--queue: expected redis://host:6379 or postgres://user@host/database, got "${withoutPassword(url)}"`,
  )
}

/** The URL without the password, for messages. */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url.replace(/:[^:@/]*@/, ':…@')
  const { protocol, username, host, pathname } = new URL(url)
  return `${protocol}//${username && `${username}@`}${host}${pathname === '/' ? '' : pathname}`
}

const logCommand = 'redis-cli config set appendonly yes'

async function openRedis(url: string): Promise<Backend> {
  const packages = ['bullmq', 'ioredis']
  const { createRedisBackend } = await importOptional(() => import('bullmq'), packages)
  const { Redis } = await importOptional(() => import('ioredis'), packages)
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: ANSWER_TIMEOUT,
    commandTimeout: ANSWER_TIMEOUT,
  })
  // ioredis gives the reason as an event. The promise only rejects with "connection is closed".
  let reason: unknown
  client.on('error', (error) => {
    reason ??= error
  })
  const warnings: string[] = []
  try {
    await client.connect()
    await client.ping()
    // Hosted servers may refuse to show their configuration.
    const [, isLogged] = ((await client.config('GET', 'appendonly').catch(() => [])) ?? []) as string[]
    if (isLogged === 'no')
      warnings.push(
        `${withoutPassword(url)} keeps no log, so that a crash may lose results; to turn it on: ${logCommand}`,
      )
  } catch (error) {
    throw unreachable(url, reason ?? error)
  } finally {
    client.disconnect()
  }
  let isLeaving = false
  return {
    factory: createRedisBackend,
    connection: {
      url,
      maxRetriesPerRequest: null,
      connectTimeout: ANSWER_TIMEOUT,
      retryStrategy: () => (isLeaving ? null : RECONNECT_DELAY),
    },
    leave: () => {
      isLeaving = true
    },
    close: async () => {},
    warnings,
  }
}

async function openPostgres(url: string): Promise<Backend> {
  const packages = ['bullmq', 'pg']
  const bullmq = await importOptional(() => import('bullmq'), packages)
  // @ts-expect-error: the package has no types, and these few calls need none.
  const { default: pg } = await importOptional(() => import('pg'), packages)
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: ANSWER_TIMEOUT })
  client.on('error', () => {})
  try {
    await client.connect()
    await bullmq.runMigrations(client, bullmq.DEFAULT_SCHEMA)
  } catch (error) {
    throw unreachable(url, error)
  } finally {
    await client.end().catch(() => {})
  }
  const { pool, leave, close } = openPatientPool(pg, url, bullmq.DEFAULT_SCHEMA)
  return { factory: bullmq.createPostgresBackend, connection: pool, leave, close, warnings: [] }
}

function unreachable(url: string, error: unknown): PipelineError {
  // For a host with several addresses, Node reports an error for each.
  const [first] = error instanceof AggregateError ? error.errors : [error]
  const reason = reasons.get((first as NodeJS.ErrnoException | undefined)?.code ?? '')
  return new PipelineError(
    'ARGUMENTS',
    `--queue: ${withoutPassword(url)} ${reason ? 'does not answer' : 'cannot be used'}: ${reason ?? messageOf(first)}`,
    { cause: error },
  )
}

const reasons = new Map([
  ['ECONNREFUSED', 'connection refused; is the server running, and is the port right?'],
  ['ENOTFOUND', 'no such host'],
  ['EAI_AGAIN', 'no such host'],
  ['ETIMEDOUT', 'no answer within 5 s; is it the right host, and does a firewall let it through?'],
  ['EHOSTUNREACH', 'the host cannot be reached'],
])
