import type { BackendFactory } from 'bullmq'
import { messageOf, PipelineError } from '../../pipeline/base/errors.js'
import { optional } from './packages.js'

/** Milliseconds that a server has to answer at the start. */
const PATIENCE = 5000

/** Milliseconds between attempts to reach a server that went away: soon enough to be back before locks run out. */
const RECONNECT = 500

/** Where BullMQ keeps its queues. */
export interface Backend {
  // BullMQ's classes take the factory of any backend; what it is made of is not our concern.
  // biome-ignore lint/suspicious/noExplicitAny: it is generic in types that only BullMQ knows.
  readonly factory: BackendFactory<any, any>
  readonly connection: object
  /** From here on, connections that were lost are not made again. */
  readonly leave: () => void
  /** What its owner should know: `a restart of the server loses the sweep`. */
  readonly warnings: readonly string[]
}

/**
 * Finds the server of a URL and asks whether it answers. Throws a PipelineError `ARGUMENTS` where the URL is none, where
 * a package is missing, or where no server answers within five seconds.
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

/** The URL, as it may be shown to anyone. */
export function withoutPassword(url: string): string {
  if (!URL.canParse(url)) return url.replace(/:[^:@/]*@/, ':…@')
  const { protocol, username, host, pathname } = new URL(url)
  return `${protocol}//${username && `${username}@`}${host}${pathname === '/' ? '' : pathname}`
}

async function openRedis(url: string): Promise<Backend> {
  const needed = ['bullmq', 'ioredis']
  const { createRedisBackend } = await optional(() => import('bullmq'), needed)
  const { Redis } = await optional(() => import('ioredis'), needed)
  const client = new Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: PATIENCE,
    commandTimeout: PATIENCE,
  })
  // The reason comes as an event; what rejects only says that the connection is closed.
  let reason: unknown
  client.on('error', (error) => {
    reason ??= error
  })
  const warnings: string[] = []
  try {
    await client.connect()
    await client.ping()
    // Rented servers keep their settings to themselves.
    const [, kept] = ((await client.config('GET', 'appendonly').catch(() => [])) ?? []) as string[]
    if (kept === 'no')
      warnings.push(
        `${withoutPassword(url)} keeps no log (appendonly no): a crash of the server may lose results; redis-cli config set appendonly yes`,
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
      connectTimeout: PATIENCE,
      retryStrategy: () => (isLeaving ? null : RECONNECT),
    },
    leave: () => {
      isLeaving = true
    },
    warnings,
  }
}

async function openPostgres(url: string): Promise<Backend> {
  const needed = ['bullmq', 'pg']
  const { createPostgresBackend } = await optional(() => import('bullmq'), needed)
  // @ts-expect-error: it brings no types along, and these few calls need none.
  const { default: pg } = await optional(() => import('pg'), needed)
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: PATIENCE })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('SELECT 1')
  } catch (error) {
    throw unreachable(url, error)
  } finally {
    await client.end().catch(() => {})
  }
  return {
    factory: createPostgresBackend,
    connection: { connectionString: url, migrate: true, keepAlive: true },
    leave: () => {},
    warnings: [],
  }
}

function unreachable(url: string, error: unknown): PipelineError {
  // Where a name has several addresses, Node tells of each attempt.
  const [first] = error instanceof AggregateError ? error.errors : [error]
  const known = reasons.get((first as NodeJS.ErrnoException | undefined)?.code ?? '')
  return new PipelineError(
    'ARGUMENTS',
    `--queue: ${withoutPassword(url)} does not answer: ${known ?? messageOf(first)}`,
    { cause: error },
  )
}

const reasons = new Map([
  ['ECONNREFUSED', 'connection refused; is the server running, and is the port right?'],
  ['ENOTFOUND', 'no such host'],
  ['EAI_AGAIN', 'no such host'],
  ['ETIMEDOUT', 'nothing within 5 s; is it the right host, and does a firewall let it through?'],
  ['EHOSTUNREACH', 'no way to the host'],
])
