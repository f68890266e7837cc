import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fixed, interleaved, median, printTable } from './measure.js'

const job = fileURLToPath(new URL('jobs/windows.js', import.meta.url))
const WIDTH = 3072

/**
 * Prints memory and speed of a training set that is ten times as large as the memory allowed, and the speed of one that fits.
 *
 * @param megabytes the allowed memory, in MB
 */
export async function windows({ repeats, megabytes, kernels }) {
  const { bavail, bsize } = statfsSync(tmpdir())
  const needed = 23e6 * megabytes
  if (bavail * bsize < needed) return console.log(`\nwindows needs ${needed / 1e9} GB in ${tmpdir()}`)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
  console.log(
    `\nLarger than memory: memory: ${megabytes}MB, images of 3,072 bytes, softmax, batches of 100, warm cache`,
  )
  try {
    const [large, small] = [10, 0.5].map((times) => written(folder, times, megabytes))
    const of = (name, pipeline, shuffle, kernel) => ({
      name: `${name}, ${shuffle}, ${kernel}`,
      rows: pipeline.rows * 2,
      command: process.execPath,
      args: [job, pipeline.file, join(folder, 'run'), `${megabytes}MB`, kernel, shuffle],
    })
    const jobs = kernels.flatMap((kernel) =>
      ['none', 'batches'].flatMap((shuffle) => [
        of('in memory', small, shuffle, kernel),
        of('ten times the memory', large, shuffle, kernel),
      ]),
    )
    // The first round writes the caches.
    await interleaved(jobs, 1)
    const found = await interleaved(jobs, repeats)
    printTable(
      ['', 'rows/s', 'largest MB'],
      jobs.map((job) => {
        const all = found.get(job)
        const rate = job.rows / median(all.map(({ train }) => train))
        return [job.name, fixed(rate, 0), fixed(Math.max(...all.map(({ rss }) => rss)), 0)]
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Writes images of noise and a pipeline for them. */
function written(folder, times, megabytes) {
  const rows = Math.round((times * megabytes * 1e6) / WIDTH)
  const name = `${times}`.replace('.', '-')
  const [x, y] = [join(folder, `x${name}.npy`), join(folder, `y${name}.npy`)]
  const block = new Uint8Array(1000 * WIDTH)
  for (let i = 0, state = 1; i < block.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    block[i] = state >>> 24
  }
  const file = openSync(x, 'w')
  writeSync(file, header('|u1', `(${rows}, 3, 32, 32)`))
  for (let at = 0; at < rows; at += 1000) writeSync(file, block.subarray(0, Math.min(1000, rows - at) * WIDTH))
  closeSync(file)
  writeFileSync(y, Buffer.concat([header('|u1', `(${rows},)`), Uint8Array.from({ length: rows }, (_, i) => i % 10)]))
  const pipeline = join(folder, `p${name}.yaml`)
  writeFileSync(
    pipeline,
    `vars: { shuffle: none }
stages:
  - use: load/numpy
    with: { files: { train: { path: ${x}, labels: ${y} } } }
  - use: cache/arrow
  - use: normalize/standardize
  - use: batch/rows
    with: { size: 100, epochs: 2 }
  - use: shuffle/\${shuffle}
  - id: model
    use: gradient-step/softmax
    with: { eta: 0.001 }
  - use: sink/parameters
    from: model
    with: { path: parameters.arrow }
`,
  )
  return { rows, file: pipeline }
}

function header(type, shape) {
  const text = `${`{'descr': '${type}', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117)}\n`
  return Buffer.concat([Buffer.from([0x93]), Buffer.from('NUMPY\x01\x00'), Buffer.from([118, 0]), Buffer.from(text)])
}
