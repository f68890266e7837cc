import { z } from 'zod'
import type { MetricsRow } from '../wires/metrics.js'
import { storedMetricInfos } from '../wires/stored-metric-infos.js'
import { type LiveMessage, MOST_TABLES } from './contract.js'

/*
 * What a client takes from a socket. A run directory may come from a stranger, and anything may listen at its socket: what
 * is not a message of the contract goes no further.
 */

/** A larger table than this is sent by no run, in bytes. */
const LARGEST_TABLE = 64 << 20
/** No run has more stages, wires or metrics than this. */
const MOST = 10_000

const text = z.string().max(10_000)
const count = z.number().nonnegative()
const listOf = <S extends z.ZodType>(schema: S) => z.array(schema).max(MOST)

const wire = z.object({
  id: text,
  type: text,
  tables: count,
  rows: count,
  tablesPerSecond: count,
  rowsPerSecond: count,
})

const stage = z.object({
  id: text,
  use: text,
  inputs: listOf(text),
  outputs: listOf(text),
  activity: z.enum(['busy', 'waiting', 'done']),
  seconds: z.number(),
  share: z.number(),
  rowsPerSecond: count,
  tablesPerSecond: count,
  inFlight: count,
  mostInFlight: count.optional(),
  allowed: text.optional(),
})

/** A number that JSON has as null if it is not finite. */
const value = z.number().nullable()

const metrics = z.object({
  stage: text,
  last: z.record(z.string(), value) as unknown as z.ZodType<MetricsRow>,
  // What a stage of a user says of its metrics is not checked when it runs.
  infos: storedMetricInfos.catch({}),
  curves: z.record(z.string(), listOf(value)),
})

const state = z.object({
  type: z.literal('state'),
  name: text,
  process: z.number(),
  elapsed: count,
  position: z.object({ epoch: count, step: count, epochs: count, steps: count }).optional(),
  progress: z.number().min(0).max(1).optional(),
  left: count.optional(),
  stages: listOf(stage),
  wires: listOf(wire),
  bottleneck: text.optional(),
  metrics: listOf(metrics),
})

/** A message of a run to a client. */
export const liveMessage: z.ZodType<LiveMessage> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello'), protocol: z.number(), millrace: text }),
  state,
  z.object({
    type: z.literal('table'),
    wire: text,
    index: z.int().min(0).max(MOST_TABLES),
    skipped: z.int().nonnegative(),
    bytes: z.int().min(1).max(LARGEST_TABLE),
  }),
  z.object({ type: z.literal('bytes'), data: z.string() }),
  z.object({ type: z.literal('end'), reason: z.enum(['done', 'interrupted', 'failed', 'tapped']) }),
  z.object({ type: z.literal('error'), message: text }),
])
