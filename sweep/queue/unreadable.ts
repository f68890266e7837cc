import type { Queue } from 'bullmq'
import { isLost } from './lost.js'

/** The most jobs that are looked at. */
const MAX_JOBS = 1000

/** The ids of the jobs that are taken, but whose records cannot be parsed, so that BullMQ cannot end them. */
export async function unreadableJobs(points: Queue): Promise<string[]> {
  const ids = await points.getRanges(['waiting', 'active'], 0, MAX_JOBS)
  const isReadable = await Promise.all(
    ids.map((id) =>
      points.getJob(id).then(
        () => true,
        (error) => isLost(error),
      ),
    ),
  )
  return ids.filter((_, i) => !isReadable[i])
}
