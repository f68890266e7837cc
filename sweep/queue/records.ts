import { messageOf, PipelineError } from '../../pipeline/base/errors.js'
import { isDeeper, MAX_DEPTH } from '../../pipeline/base/json.js'
import { suggestion } from '../../pipeline/base/nearest.js'
import { show } from '../../pipeline/base/words.js'
import { parseRecord, type SweepRecord } from '../directory.js'
import { digestPattern } from '../identity.js'
import { isLost } from './lost.js'
import type { Server } from './server.js'
import type { Signer } from './signature.js'

/** Called with a remark, for the user, on something at the queue that is passed over. */
export type OnRemark = (text: string) => void

/** A name as it stands in ids, file names and messages: no separators, no control characters, no dot in front. */
const sweepName = /^(?!\.)[^\p{Cc}/\\:]{1,200}$/u

/** The id of the job that holds the record of a sweep. */
export function sweepIdOf(name: string): string {
  return `sweep-${name}`
}

/** Reads the records of the sweeps at the queue, sorted by name. A malformed one is passed over, with a remark. */
export async function readSweeps(server: Server, signer: Signer, onRemark: OnRemark): Promise<SweepRecord[]> {
  const records: SweepRecord[] = []
  const ids = await server.sweeps.getRanges(['waiting'], 0, -1)
  for (const id of ids.sort())
    try {
      const record = await readSweep(server, id, signer)
      if (record) records.push(record)
    } catch (error) {
      if (!(error instanceof PipelineError)) throw error
      onRemark(`${messageOf(error)}; it is passed over`)
    }
  return records.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/**
 * Reads the record of a sweep. Returns undefined if there is none. Rejects with a PipelineError `DATA` if it is
 * malformed, or not signed as it must be.
 */
export async function readSweep(server: Server, id: string, signer: Signer): Promise<SweepRecord | undefined> {
  const where = `${show(id)} at ${server.name}`
  const fail = (why: string): PipelineError => new PipelineError('DATA', `${where}: ${why}`)
  const job = await server.sweeps.getJob(id).catch((error) => {
    throw isLost(error) ? error : fail(`it cannot be read: ${messageOf(error)}`)
  })
  if (!job) return undefined
  if (isDeeper(job.data, MAX_DEPTH)) throw fail(`it is nested more than ${MAX_DEPTH} deep`)
  const problem = signer.problem('sweep', job.data)
  if (problem) throw fail(problem)
  const record = parseRecord(() => job.data, where)
  if (!sweepName.test(record.name) || sweepIdOf(record.name) !== id) throw fail('its name is not that of its id')
  if (!record.points.every(({ key }) => digestPattern.test(key))) throw fail('a key is no digest')
  return record
}

/**
 * Finds the sweep of a name, or the only sweep if `name` is undefined. Throws a PipelineError `ARGUMENTS` if there is
 * no such sweep, or if there are several to choose from.
 */
export async function sweepNamed(
  server: Server,
  name: string | undefined,
  signer: Signer,
  onRemark: OnRemark = () => {},
): Promise<SweepRecord> {
  const sweeps = await readSweeps(server, signer, onRemark)
  const names = sweeps.map((each) => each.name)
  const found = name === undefined ? sweeps : sweeps.filter((each) => each.name === name)
  if (found.length === 1) return found[0]!
  const what =
    sweeps.length === 0
      ? 'no sweep was submitted; millrace sweep submit does that'
      : name === undefined
        ? `there are several sweeps, say which: ${names.join(', ')}`
        : `no sweep named "${name}"${suggestion(name, names, 'sweeps')}`
  throw new PipelineError('ARGUMENTS', `${server.name}: ${what}`)
}
