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

/** The seconds of CPU that a load takes, with those of the threads of the garbage collector. */
async function cpuOf(load) {
  const begun = process.cpuUsage()
  await load()
  const { user, system } = process.cpuUsage(begun)
  return { seconds: (user + system) / 1e6 }
}

const stage = (load, path) => () =>
  cpuOf(() =>
    lastValueFrom(load.run(load.options.parse({ path, fractions: { train: 1 } }), loadContext()).pipe(toArray())),
  )

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
  const pairs = [
    ['Parquet, columns of float32', decoded(required), stage(parquet, required)],
    ['Parquet, the same, optional', decoded(optional), stage(parquet, optional)],
    ['Parquet, images of fixed length', decoded(pictures), stage(parquet, pictures)],
    ['Arrow, columns of float32', copied(table), stage(arrow, table)],
    ['Arrow, lists of fixed size', copied(lists), stage(arrow, lists)],
  ].map(([name, raw, load]) => ({ name, raw: { run: raw }, load: { run: load } }))
  const results = await interleaved(
    pairs.flatMap(({ raw, load }) => [raw, load]),
    repeats,
  )
  const seconds = (job) => median(results.get(job).map((result) => result.seconds))
  console.log(
    '\nLoading 80 MB of columns, seconds of CPU (Parquet beside its decoder, Arrow beside a copy of the file)',
  )
  printTable(
    ['', 'alone', 'load', 'ratio'],
    pairs.map(({ name, raw, load }) => [
      name,
      fixed(seconds(raw)),
      fixed(seconds(load)),
      fixed(seconds(load) / seconds(raw), 1),
    ]),
  )
}
