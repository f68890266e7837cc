import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { zipSync } from 'fflate'
import { lastValueFrom, toArray } from 'rxjs'
import { cifar10 } from '../dist/stages/load/cifar10.js'
import { idx } from '../dist/stages/load/idx.js'
import { numpy } from '../dist/stages/load/numpy.js'
import { loadContext } from './fuzz/load-context.js'
import { columnsBench, cpuOf } from './load-columns.js'
import { imagesBench } from './load-images.js'
import { textBench } from './load-text.js'
import { fixed, interleaved, median, printTable } from './measure.js'

const ROWS = 40_000
const WIDTH = 3072

/** The seconds that something takes, by the clock and of processor time. */
async function timed(act) {
  const begun = performance.now()
  const { seconds: cpu } = await cpuOf(act)
  return { seconds: (performance.now() - begun) / 1000, cpu }
}

/** How long a load stage takes for all its tables. */
function load(stage, options) {
  return timed(() => lastValueFrom(stage.run(stage.options.parse(options), loadContext()).pipe(toArray())))
}

/** Reads a file in pieces of 1 MiB into memory, with its checksum if asked: the least that a load stage does. */
async function rawRead(path, isHashed) {
  const handle = await open(path)
  const { size } = await handle.stat()
  const all = new Uint8Array(size)
  const hash = createHash('sha256')
  for (let at = 0; at < size; at += 1 << 20) {
    const length = Math.min(1 << 20, size - at)
    await handle.read(all, at, length, at)
    if (isHashed) hash.update(all.subarray(at, at + length))
  }
  await handle.close()
}

function npy(type, shape, data) {
  const header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`.padEnd(117)
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'), Buffer.from(`${header}\n`), data])
}

/** Measures the load stages of arrays beside a plain read of the same bytes, and images beside their decoder. */
export async function loadBench({ repeats }) {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-load-'))
  try {
    const file = (name, bytes) => {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), bytes)
      return join(folder, name)
    }
    const pixels = Buffer.alloc(ROWS * WIDTH, Buffer.from(Array.from({ length: 997 }, (_, i) => (i * 31) % 256)))
    const labels = Buffer.from(Array.from({ length: ROWS }, (_, i) => i % 10))
    const binary = Buffer.alloc(ROWS * (WIDTH + 1))
    for (let i = 0; i < ROWS; i++) pixels.copy(binary, i * (WIDTH + 1) + 1, i * WIDTH, (i + 1) * WIDTH)
    const header = (...sizes) =>
      Buffer.from([0, 0, 8, sizes.length, ...sizes.flatMap((n) => [n >> 24, n >> 16, n >> 8, n])])
    const floats = new Float32Array((ROWS * WIDTH) / 4).map((_, i) => i % 100)
    file('batch.bin', binary)
    file('images', Buffer.concat([header(ROWS, 3, 32, 32), pixels]))
    file('labels', Buffer.concat([header(ROWS), labels]))
    const x = file('x.npy', npy('|u1', [ROWS, WIDTH], pixels))
    const y = file('y.npy', npy('|u1', [ROWS], labels))
    const f = file('f.npy', npy('<f4', [ROWS / 4, WIDTH], Buffer.from(floats.buffer)))
    const g = file('g.npy', npy('|u1', [ROWS / 4], labels.subarray(0, ROWS / 4)))
    const entries = { 'x.npy': npy('|u1', [ROWS, WIDTH], pixels), 'y.npy': npy('|u1', [ROWS], labels) }
    const archive = file('a.npz', zipSync(entries, { level: 0 }))
    const pair = { train: { images: 'images', labels: 'labels' } }
    const jobs = [
      { name: 'plain read', run: () => timed(() => rawRead(x, false)) },
      { name: 'plain read with checksum', run: () => timed(() => rawRead(x, true)) },
      { name: 'load/cifar10', run: () => load(cifar10, { directory: folder, train: ['batch.bin'] }) },
      { name: 'load/idx', run: () => load(idx, { directory: folder, files: pair }) },
      { name: 'load/numpy, .npy of bytes', run: () => load(numpy, { path: x, labels: y }) },
      { name: 'load/numpy, .npy of float32', run: () => load(numpy, { path: f, labels: g }) },
      { name: 'load/numpy, .npz of bytes', run: () => load(numpy, { path: archive }) },
    ]
    const results = await interleaved(jobs, repeats)
    console.log(`\nLoading ${Math.round((ROWS * WIDTH) / 1e6)} MB of rows of ${WIDTH} bytes (float32: as many bytes)`)
    const of = (job, what) => median(results.get(job).map((result) => result[what]))
    printTable(
      ['', 's', 'MB/s', 's of CPU'],
      jobs.map((job) => {
        const seconds = of(job, 'seconds')
        return [job.name, fixed(seconds, 3), fixed((ROWS * WIDTH) / 1e6 / seconds, 0), fixed(of(job, 'cpu'), 3)]
      }),
    )
    await imagesBench(file, repeats)
    await textBench(folder, repeats)
    await columnsBench(folder, repeats)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
