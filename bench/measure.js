import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export { fixed, printTable } from './table.js'

const run = promisify(execFile)

/**
 * Runs a job in a process of its own. Its last line of output is JSON with `train`, the seconds of its training loop;
 * `scale` multiplies them, for a job that runs only a part of the epochs.
 */
async function runJob({ command, args, scale = 1, env = {} }) {
  const began = performance.now()
  const { stdout } = await run(command, args, { env: { ...process.env, ...env }, maxBuffer: 1 << 20 })
  const process_ = (performance.now() - began) / 1000
  const result = JSON.parse(stdout.trim().split('\n').at(-1))
  return { ...result, train: result.train * scale, process: scale === 1 ? process_ : undefined }
}

/** True if the command runs and exits with 0. */
export async function works(command, args) {
  try {
    await run(command, args)
    return true
  } catch {
    return false
  }
}

/** Runs all jobs once, then all again, and so on, so that a disturbance of the machine affects all of them. */
export async function interleaved(jobs, repeats, onResult = () => {}) {
  const results = new Map(jobs.map((job) => [job, []]))
  for (let repeat = 0; repeat < repeats; repeat++)
    for (const job of jobs) {
      if (repeat >= (job.repeats ?? repeats)) continue
      const result = await (job.run ? job.run() : runJob(job))
      results.get(job).push(result)
      onResult(job, result, repeat)
    }
  return results
}

/** The median of the defined values, or undefined if there are none. */
export function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
  if (sorted.length === 0) return undefined
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
