import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Field, FixedSizeList, Float32, makeData, makeVector, Table, tableToIPC, Vector } from 'apache-arrow'
import { parquetMetadataAsync, parquetRead } from 'hyparquet'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'
import { lastValueFrom, toArray } from 'rxjs'
import { arrow } from '../dist/stages/load/arrow.js'
import { parquet } from '../dist/stages/load/parquet.js'
import { loadContext } from './fuzz/load-context.js'
import { fixed, interleaved, median, printTable } from './measure.js'

const ROWS = 200_000
const WIDTH = 100
const IMAGES = 26_000
const IMAGE = 3072

/**
 * The seconds of CPU that a load takes, with those of the threads of the garbage collector, and for how many milliseconds of
 * its CPU at most the event loop had no turn.
 */
export async function cpuOf(load) {
  let [last, stretch] = [mainThreadMs(), 0]
  const timer = setInterval(() => {
    const now = mainThreadMs()
    stretch = Math.max(stretch, now - last)
    last = now
  }, 1)
  const begun = process.cpuUsage()
  await load()
  const { user, system } = process.cpuUsage(begun)
  clearInterval(timer)
  return { seconds: (user + system) / 1e6, stretch: Math.max(stretch, mainThreadMs() - last) }
}

/** The milliseconds that this thread has had a core, which a busy machine does not change; NaN where only Linux would tell. */
function mainThreadMs() {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6
  } catch {
    return Number.NaN
  }
}

/** @param assign `order`: rows stay as they lie in the file; `random`: they are dealt by a permutation */
const stage = (load, path, assign) => () =>
  cpuOf(() => {
    const options = load.options.parse({ path, fractions: { train: 1 }, assign })
    return lastValueFrom(load.run(options, loadContext()).pipe(toArray()))
  })

/** The checksum of a file alone. */
const hashed = (path) => async () => {
  const bytes = readFileSync(path)
  return cpuOf(async () => createHash('sha256').update(bytes).digest())
}

/** Decodes all columns of a Parquet file with the library that `load/parquet` uses, and keeps nothing. */
const decoded = (path) => () =>
  cpuOf(async () => {
    const handle = await open(path)
    const { size } = await handle.stat()
    const slice = async (start, end = size) => {
      const bytes = new Uint8Array(end - start)
      await handle.read(bytes, 0, bytes.length, start)
      return bytes.buffer
    }
    const file = { byteLength: size, slice }
    const metadata = await parquetMetadataAsync(file)
    let rowStart = 0
    for (const { num_rows: count } of metadata.row_groups) {
      const rowEnd = rowStart + Number(count)
      await parquetRead({ file, metadata, rowStart, rowEnd, onChunk: () => {} })
      rowStart = rowEnd
    }
    await handle.close()
  })

const copied = (path) => () => cpuOf(async () => new Uint8Array(readFileSync(path)).slice())

function parquetFile(rowGroupSize, columns) {
  const writer = new ByteWriter()
  const schema = [{ name: 'root', num_children: columns.length }, ...columns.map(([element]) => element)]
  const parquet = new ParquetWriter({ writer, schema, codec: 'UNCOMPRESSED' })
  parquet.write({
    columnData: columns.map(([{ name }, data]) => ({ name, data, encoding: 'PLAIN' })),
    rowGroupSize,
  })
  parquet.finish()
  return new Uint8Array(writer.getBuffer())
}

/** Measures the loading of columns of numbers beside the library that decodes them, and beside a copy of the file. */
export async function columnsBench(folder, repeats) {
  const file = (name, bytes) => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }
  const columns = Array.from({ length: WIDTH }, (_, j) =>
    Float32Array.from({ length: ROWS }, (_, i) => Math.sin(i * (j + 1))),
  )
  const label = Int32Array.from({ length: ROWS }, (_, i) => i % 10)
  const labels = [{ name: 'label', type: 'INT32', repetition_type: 'REQUIRED' }, label]
  const floats = (repetition_type) =>
    parquetFile(50_000, [
      ...columns.map((data, j) => [{ name: `c${j}`, type: 'FLOAT', repetition_type }, data]),
      labels,
    ])
  const images = Array.from({ length: IMAGES }, (_, i) => new Uint8Array(IMAGE).fill(i % 251))
  const image = {
    name: 'image',
    type: 'FIXED_LEN_BYTE_ARRAY',
    type_length: IMAGE,
    repetition_type: 'REQUIRED',
  }
  const flat = new Table({
    ...Object.fromEntries(columns.map((data, j) => [`c${j}`, makeVector(data)])),
    label: makeVector(label),
  })
  const all = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => columns[i % WIDTH][Math.floor(i / WIDTH)])
  const type = new FixedSizeList(WIDTH, new Field('item', new Float32(), false))
  const [child] = makeVector(all).data
  const features = new Vector([makeData({ type, length: ROWS, nullCount: 0, child })])
  const required = file('required.parquet', floats('REQUIRED'))
  const optional = file('optional.parquet', floats('OPTIONAL'))
  const pictures = file(
    'images.parquet',
    parquetFile(2000, [
      [image, images],
      [labels[0], label.subarray(0, IMAGES)],
    ]),
  )
  const table = file('table.arrow', tableToIPC(flat, 'file'))
  const lists = file('lists.arrow', tableToIPC(new Table({ features, label: makeVector(label) }), 'file'))
  const files = [
    ['Parquet, columns of float32', decoded, parquet, required],
    ['Parquet, the same, optional', decoded, parquet, optional],
    ['Parquet, images of fixed length', decoded, parquet, pictures],
    ['Arrow, columns of float32', copied, arrow, table],
    ['Arrow, lists of fixed size', copied, arrow, lists],
  ].map(([name, alone, load, path]) => ({
    name,
    jobs: [alone(path), hashed(path), stage(load, path, 'order'), stage(load, path, 'random')].map((run) => ({ run })),
  }))
  const results = await interleaved(
    files.flatMap(({ jobs }) => jobs),
    repeats,
  )
  const of = (job, what) => median(results.get(job).map((result) => result[what]))
  console.log('\nLoading 80 MB of columns, seconds of CPU; alone: the decoder of Parquet, or a copy of the Arrow file')
  printTable(
    ['', 'alone', 'checksum', 'in order', '÷ alone', '÷ both', 'at random', '÷ alone', 'without a turn, ms'],
    files.map(({ name, jobs }) => {
      const [alone, checksum, inOrder, atRandom] = jobs.map((job) => of(job, 'seconds'))
      return [
        name,
        fixed(alone),
        fixed(checksum),
        fixed(inOrder),
        fixed(inOrder / alone, 1),
        fixed(inOrder / (alone + checksum), 1),
        fixed(atRandom),
        fixed(atRandom / alone, 1),
        fixed(of(jobs[3], 'stretch'), 0),
      ]
    }),
  )
}
