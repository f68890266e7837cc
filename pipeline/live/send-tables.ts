import type { Socket } from 'node:net'
import { RecordBatchStreamWriter, type Table } from 'apache-arrow'
import { PipelineError } from '../base/errors.js'
import { positioned } from '../wires/positioned.js'
import type { LiveMessage } from './contract.js'
import type { WireTaps } from './wire-taps.js'

/** A larger table is not sent, in bytes: encoding it would hold the run up. */
const LARGEST = 32 << 20
/** Bytes of a table in one message. A multiple of 3, so that base64 needs no padding between pieces. */
const PIECE = 96 << 10

/**
 * Sends the next `n` tables of a wire to a client, each as an Arrow IPC stream as `sink/arrow` writes it. The tables that
 * pass while one is being sent are skipped and counted. Resolves after the last one, or when the wire is complete or the
 * client has gone. Rejects if the wire does not exist, or has larger tables than are sent.
 */
export function sendTables(client: Socket, taps: WireTaps, wire: string, n: number): Promise<void> {
  let index = 0
  let isSending = false
  return new Promise((resolve, reject) => {
    const tables = taps
      .taken(wire, (table) => (isSending ? undefined : encodeTable(table)))
      .subscribe({
        next: ({ value, skipped }) => {
          isSending = true
          sendTable(client, { type: 'table', wire, index: index++, skipped, bytes: value.length }, value).then(
            () => {
              isSending = false
              if (index < n && !tables.closed) return
              tables.unsubscribe()
              resolve()
            },
            (error) => {
              tables.unsubscribe()
              reject(error)
            },
          )
        },
        error: reject,
        complete: () => {
          if (!isSending) resolve()
        },
      })
    client.once('close', () => {
      tables.unsubscribe()
      resolve()
    })
  })
}

async function sendTable(client: Socket, head: LiveMessage, bytes: Uint8Array): Promise<void> {
  await send(client, head)
  for (let at = 0; at < bytes.length; at += PIECE)
    await send(client, { type: 'bytes', data: Buffer.from(bytes.subarray(at, at + PIECE)).toString('base64') })
}

/** The table as an Arrow IPC stream. Its rows are copied: a stage may use their memory again. */
function encodeTable(table: Table): Uint8Array {
  const batches = positioned(table)
  const bytes = batches.reduce((sum, { data }) => sum + data.byteLength, 0)
  if (bytes > LARGEST)
    throw new PipelineError(
      'ARGUMENTS',
      `a table of this wire has ${Math.ceil(bytes / 2 ** 20)} MiB, and at most ${LARGEST / 2 ** 20} MiB are sent; ` +
        'record the wire with sink/arrow, or tap a wire further down',
    )
  return RecordBatchStreamWriter.writeAll(batches[Symbol.iterator]()).toUint8Array(true)
}

/** Resolves when the client has taken most of what waits for it. */
function send(client: Socket, message: LiveMessage): Promise<void> | undefined {
  if (!client.writable) throw new Error('the client has gone')
  if (client.write(`${JSON.stringify(message)}\n`)) return undefined
  return new Promise((resolve, reject) => {
    const done = (): void => {
      client.off('drain', done)
      client.off('close', gone)
      resolve()
    }
    const gone = (): void => reject(new Error('the client has gone'))
    client.once('drain', done)
    client.once('close', gone)
  })
}
