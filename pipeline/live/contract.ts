import { z } from 'zod'
import type { MetricInfos, MetricsRow } from '../wires/metrics.js'
import type { Position } from '../wires/position.js'

/** The version of the protocol on the socket of a run. It changes when an older client could not read the messages. */
export const PROTOCOL = 1

/** Milliseconds between two states that a client gets. */
export const INTERVAL = 250

/** The tables of one output since this process began. */
export interface LiveWire {
  /** The id of the stage and its output: `model.parameters`. */
  readonly id: string
  /** The kind of its tables. */
  readonly type: string
  /** Number of tables. */
  readonly tables: number
  /** Number of rows of these tables; 0 on wires of parameters, whose rows are no examples. */
  readonly rows: number
  /** Tables per second during the last second. */
  readonly tablesPerSecond: number
  /** Rows per second during the last second. */
  readonly rowsPerSecond: number
}

/** One stage of a running graph. */
export interface LiveStage {
  /** Its id. */
  readonly id: string
  /** What it is, as `use` says. */
  readonly use: string
  /** The ids of the wires that it reads. */
  readonly inputs: readonly string[]
  /** The ids of the wires that it writes. */
  readonly outputs: readonly string[]
  /** `busy`: it works on a table now. `waiting`: for a table, or for stages downstream. `done`: all outputs are complete. */
  readonly activity: 'busy' | 'waiting' | 'done'
  /** Seconds that it has worked while somebody looked; those of fast stages are estimated from samples. */
  readonly seconds: number
  /** The part of the last second that it worked, from 0 to 1; 0 in the first state that somebody asks for. */
  readonly share: number
  /** Rows per second that went through it, in or out, during the last second. */
  readonly rowsPerSecond: number
  /** Tables per second that went through it, in or out, during the last second. */
  readonly tablesPerSecond: number
  /** Number of tables that it is working on or that wait for that. */
  readonly inFlight: number
  /** The most of these at one time since this process began; runs of older versions do not tell. */
  readonly mostInFlight?: number | undefined
  /** What it may hold, in words (`holds` of the stage); undefined if it holds nothing. */
  readonly allowed?: string | undefined
}

/** What one stage has measured. */
export interface LiveMetrics {
  /** The id of the stage. */
  readonly stage: string
  /** The last row. */
  readonly last: MetricsRow
  /** What the columns mean. */
  readonly infos: MetricInfos
  /** The values of each column since this process began, oldest first, thinned out to 120 at most; null if not finite. */
  readonly curves: Readonly<Record<string, readonly (number | null)[]>>
}

/** A running run at one moment. */
export interface LiveState {
  /** Tells it from the other messages on the socket. */
  readonly type: 'state'
  /** The name of the pipeline. */
  readonly name: string
  /** The process that runs it. */
  readonly process: number
  /** Seconds since this process began the run. */
  readonly elapsed: number
  /** How far the training is; undefined before the first step. */
  readonly position?: Position | undefined
  /** The part of all steps that is made, from 0 to 1; undefined before the first step. */
  readonly progress?: number | undefined
  /** Estimated seconds until the last step; undefined if not known yet. */
  readonly left?: number | undefined
  /** The stages, each after those that feed it. */
  readonly stages: readonly LiveStage[]
  /** The wires, in the order of the stages. */
  readonly wires: readonly LiveWire[]
  /** The id of the stage that took the largest part of the last second; undefined if none took a tenth. */
  readonly bottleneck?: string | undefined
  /** The metrics, by stage. */
  readonly metrics: readonly LiveMetrics[]
}

/** The first message of a run to a client. */
export interface Hello {
  /** Tells it from the other messages. */
  readonly type: 'hello'
  /** The version of the protocol, `PROTOCOL`. */
  readonly protocol: number
  /** The version of Millrace that runs. */
  readonly millrace: string
}

/** Announces a table of a tapped wire. Its Arrow IPC stream follows as messages `bytes`. */
export interface TappedHead {
  /** Tells it from the other messages. */
  readonly type: 'table'
  /** The wire, as in `LiveWire`. */
  readonly wire: string
  /** Number of tables sent before. */
  readonly index: number
  /** Number of tables that passed since the one before and were not sent. */
  readonly skipped: number
  /** Length of the stream in bytes. */
  readonly bytes: number
}

/** What a run sends: a line of JSON each. */
export type LiveMessage =
  | Hello
  | LiveState
  | TappedHead
  /** The next bytes of a tapped table, in base64. */
  | { readonly type: 'bytes'; readonly data: string }
  /** Nothing follows: the run has ended, or the tables that were asked for were sent, or no more come (`tapped`). */
  | { readonly type: 'end'; readonly reason: 'done' | 'interrupted' | 'failed' | 'tapped' }
  /** The request is refused. Nothing follows. */
  | { readonly type: 'error'; readonly message: string }

/** The most tables that one request may ask for. */
export const MOST_TABLES = 10_000

/** What a client asks for: one request on a connection, a line of JSON. */
export const liveRequest = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('state').describe('States, four times a second, until the run ends.') }),
  z.strictObject({
    type: z
      .literal('tap')
      .describe('Tables of a wire, as they pass. Tables that pass faster than they are sent are skipped.'),
    wire: z.string().min(1).describe('The wire: `model.parameters`, or `model` if the stage has one output.'),
    n: z.int().min(1).max(MOST_TABLES).default(1).describe('Number of tables.'),
  }),
])

/** A request to a run. */
export type LiveRequest = z.input<typeof liveRequest>
