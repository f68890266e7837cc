import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A job is a process that prints one line of JSON with `train`, the seconds of its training loop. */
export async function runJob({ command, args, scale = 1, env = {} }) {
  const began = performance.now()
  const { stdout } = await run(command, args, { env: { ...process.env, ...env }, maxBuffer: 1 << 20 })
  const process_ = (performance.now() - began) / 1000
  const result = JSON.parse(stdout.trim().split('\n').at(-1))
  return { ...result, train: result.train * scale, process: scale === 1 ? process_ : undefined }
}

/** True where the command runs at all. */
export async function works(command, args) {
  try {
    await run(command, args)
    return true
  } catch {
    return false
  }
}

/** Runs all jobs once, then all again, …: what disturbs the machine disturbs all of them. */
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

export function median(values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
  if (sorted.length === 0) return undefined
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** Prints rows of cells as aligned columns; the first is text, the others are numbers. */
export function printTable(header, rows) {
  const cells = [header, ...rows].map((row) => row.map((cell) => cell ?? '–'))
  const widths = header.map((_, column) => Math.max(...cells.map((row) => String(row[column]).length)))
  for (const row of cells)
    console.log(
      row.map((cell, i) => (i ? String(cell).padStart(widths[i]) : String(cell).padEnd(widths[i]))).join('  '),
    )
}

export const fixed = (value, digits = 2) => (value === undefined ? undefined : value.toFixed(digits))
