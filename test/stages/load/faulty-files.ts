import { gzipSync } from 'node:zlib'
import { Field, Float32, List, Table, tableToIPC, type Vector, vectorFromArray } from 'apache-arrow'
import { npyOfNumbers, npyOfTexts } from '../../../dist/pipeline/formats/npy.js'
import {
  ArrowStreamWriter,
  arrowFile,
  type Model,
  parametersTables,
  positioned,
} from '../../../dist/pipeline/stage-kit.js'
import { modelWith } from '../../models.js'
import { countedBatches, examples } from '../tables.js'
import { bytesNpy, cifarPickle, matFile, npzFile, pngFile } from './array-files.js'
import { idxBytes } from './idx-files.js'
import { parquetOf, rows, type TableRow, tableFiles } from './table-files.js'

/** Files of a folder, by their names. */
export type Files = Readonly<Record<string, Uint8Array>>

/** A fault of a file: what it holds instead, or all files of the folder that are not as they should be, with their options. */
export type Fault = Uint8Array | { readonly files: Files; readonly options?: string }

/** A format, as `docs/formats.md` names it, and files with the faults that are not made of the whole file alone. */
export interface Format {
  /** The load stage. */
  readonly stage: string
  /** The options; `DIR` is the folder of the files, `FILE` the path of the file. */
  readonly options: string
  /** The name of the file. */
  readonly file: string
  readonly whole: Uint8Array
  /** Files that are beside it and have no fault. */
  readonly beside?: Files
  readonly faults: Readonly<Record<string, Fault>>
}

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')
const png = pngFile({ width: 4, height: 1, color: 0 }, [1, 2, 3, 4])

/** A format with columns: a number, a text and a label. */
function table(stage: string, faults: Format['faults']): Format {
  const fileOf = tableFiles[stage]!
  const one: TableRow[] = [[1.5, 'red', 'cat']]
  return {
    stage,
    options: 'path: "FILE", fractions: { all: 1 }, text: { "*": error }, drop: [colour]',
    file: 'data',
    whole: fileOf(rows),
    faults: {
      'one row': fileOf(one),
      'no rows': fileOf([]),
      'another format': stage === 'parquet' ? tableFiles.arrow!(rows) : tableFiles.parquet!(rows),
      ...faults,
    },
  }
}

const arff = (data: string): Uint8Array =>
  bytes(`@relation a\n@attribute size numeric\n@attribute colour string\n@attribute label {cat,dog}\n@data\n${data}`)
const arrowOf = (columns: Record<string, Vector>): Uint8Array => tableToIPC(new Table(columns), 'stream')
const texts = (...cells: string[]) => vectorFromArray(cells)
const lists = new List(new Field('item', new Float32()))
const text = (name: string, data: string[]) =>
  [{ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' }, data] as const
const textColumns = [text('colour', ['red', 'red']), text('label', ['cat', 'dog'])]

const tables: Readonly<Record<string, Format>> = {
  CSV: table('csv', {
    'another type': bytes('size,colour,label\nmany,red,cat\n'),
    'another width': bytes('size,colour,label\n1,red,cat\n2,red\n'),
    mixed: bytes('size,colour,label\n1,red,cat\n2,red,dog\nmany,red,cat\n'),
  }),
  'JSON lines': table('jsonl', {
    'no rows': bytes('\n \n'),
    'another type': bytes('{"size":"many","colour":"red","label":"cat"}\n'),
    'another width': bytes('{"size":1,"colour":"red","label":"cat"}\n{"size":1,"more":2,"label":"cat"}\n'),
    mixed: bytes('{"size":1,"colour":"red","label":"cat"}\n[1,"red","cat"]\n'),
  }),
  ARFF: table('arff', {
    'another type': arff('many,red,cat\n'),
    'another width': arff('1,red,cat\n2,red\n'),
    mixed: arff('1,red,cat\n2,red,cow\n'),
  }),
  Arrow: table('arrow', {
    'another type': arrowOf({ size: texts('many'), colour: texts('red'), label: texts('cat') }),
    'another width': arrowOf({ size: vectorFromArray([1]), label: texts('cat') }),
    mixed: arrowOf({
      size: vectorFromArray([[1], [2]], lists),
      colour: texts('red', 'red'),
      label: texts('cat', 'dog'),
    }),
  }),
  Parquet: table('parquet', {
    'another type': parquetOf(2, [text('size', ['many', 'few']), ...textColumns]),
    'another width': parquetOf(2, [text('size', ['1', '2']), text('label', ['cat', 'dog'])]),
    mixed: parquetOf(2, [
      [{ name: 'size', type: 'FLOAT', repetition_type: 'REQUIRED' }, [1, Number.NaN]],
      ...textColumns,
    ]),
  }),
}

const labels = (count: number): Uint8Array =>
  npyOfNumbers(
    Int32Array.from({ length: count }, (_, i) => i % 2),
    [count],
  )
const twelve = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
const x = bytesNpy([4, 3], twelve)
const packedX = npzFile({ x, y: labels(4) }, 6)

/** The bytes with all bits of one turned. */
function damagedAt(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at]! ^= 0xff
  return copy
}

const arrays: Readonly<Record<string, Format>> = {
  'NumPy, `.npy`': {
    stage: 'numpy',
    options: 'path: "FILE", labels: DIR/y.npy',
    file: 'x.npy',
    whole: x,
    beside: { 'y.npy': labels(4), 'x2.npy': x },
    faults: {
      'no rows': { files: { 'x.npy': bytesNpy([0, 3], []), 'y.npy': labels(0) } },
      'one row': { files: { 'x.npy': bytesNpy([1, 3], [1, 2, 3]), 'y.npy': labels(1) } },
      'another type': npyOfTexts(['a', 'b', 'c', 'd']),
      'another width': bytesNpy([3, 3], twelve.slice(0, 9)),
      mixed: {
        files: { 'x.npy': npyOfNumbers(Float32Array.from(twelve), [4, 3]) },
        options: 'files: { train: [{ path: DIR/x2.npy, labels: DIR/y.npy }, { path: "FILE", labels: DIR/y.npy }] }',
      },
      'another format': png,
    },
  },
  'NumPy, `.npz`': {
    stage: 'numpy',
    options: 'path: "FILE"',
    file: 'a.npz',
    whole: packedX,
    beside: { 'b.npz': npzFile({ x, y: labels(4) }) },
    faults: {
      'no rows': npzFile({ x: bytesNpy([0, 3], []), y: labels(0) }),
      'one row': npzFile({ x: bytesNpy([1, 3], [1, 2, 3]), y: labels(1) }),
      'another type': npzFile({ x: npyOfTexts(['a', 'b', 'c', 'd']), y: labels(4) }),
      'another width': npzFile({ x, y: labels(3) }),
      mixed: {
        files: { 'a.npz': npzFile({ x: bytesNpy([4, 2], twelve.slice(0, 8)), y: labels(4) }) },
        options: 'files: { train: [DIR/b.npz, "FILE"] }',
      },
      'damaged gzip': damagedAt(packedX, 35),
      'another format': png,
    },
  },
  IDX: {
    stage: 'idx',
    options:
      'directory: DIR, files: { train: { images: other, labels: labels }, test: { images: images, labels: labels } }',
    file: 'images',
    whole: idxBytes([4, 1, 3], twelve),
    beside: { labels: idxBytes([4], [0, 1, 0, 1]), other: idxBytes([4, 1, 3], twelve) },
    faults: {
      'no rows': idxBytes([0, 1, 3], []),
      'one row': {
        files: { images: idxBytes([1, 1, 3], [1, 2, 3]), labels: idxBytes([1], [0]) },
        options: 'directory: DIR, files: { train: { images: images, labels: labels } }',
      },
      'another type': idxBytes([4, 1, 3], new Uint8Array(48), 0x0d),
      'another width': idxBytes([3, 1, 3], twelve.slice(0, 9)),
      mixed: idxBytes([4, 3, 1], twelve),
      'another format': png,
    },
  },
  Images: {
    stage: 'images',
    options: 'path: DIR',
    file: 'b/1.png',
    whole: png,
    beside: { 'a/1.png': png },
    faults: {
      'no rows': { files: { 'a/1.png': png, 'b/1.png': png }, options: 'path: DIR/a' },
      'one row': { files: { 'only/b/1.png': png }, options: 'path: DIR/only' },
      'another type': bytes('GIF89a'),
      'another width': pngFile({ width: 5, height: 1, color: 0 }, [1, 2, 3, 4, 5]),
      mixed: pngFile({ width: 4, height: 1, color: 2 }, twelve),
      'damaged gzip': damagedAt(png, png.length - 20),
      'another format': bytes('size,label\n1,cat\n'),
    },
  },
}

const PIXELS = 3072
const pixels = (count: number): Uint8Array => new Uint8Array(count * PIXELS)
const record = (...labels: number[]): Uint8Array => Uint8Array.from([...labels, ...pixels(1)])
const joined = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts)
const column = (...values: number[]) => ({ shape: [values.length, 1] as const, values: Uint8Array.from(values) })
const data = (count: number) => ({ shape: [count, PIXELS] as const, values: pixels(count) })

/** CIFAR-10 or CIFAR-100: `field` names the labels of the Python and MATLAB versions. */
function cifar(stage: 'cifar10' | 'cifar100', file: string, faults: Format['faults'], whole: Uint8Array): Format {
  return {
    stage,
    options: `directory: DIR, train: [other, ${file}], test: []`,
    file,
    whole,
    // Files of one split may be of several versions.
    beside: { other: stage === 'cifar10' ? record(0) : record(0, 0) },
    faults: { 'another format': png, ...faults },
  }
}

function cifarFormats(stage: 'cifar10' | 'cifar100', name: string): Record<string, Format> {
  const isTen = stage === 'cifar10'
  const [field, other] = isTen ? ['labels', 'fine_labels'] : ['fine_labels', 'labels']
  const classes = isTen ? 10 : 100
  const binary = (label: number) => (isTen ? record(label) : record(0, label))
  const pickle = (count: number, ...labels: number[]) => cifarPickle(pixels(count), { [field!]: labels })
  const mat = (count: number, ...labels: number[]) => matFile({ data: data(count), [field!]: column(...labels) }, true)
  const alone = { files: {}, options: `directory: DIR, train: [FILE], test: []` }
  return {
    [`${name}, binary`]: cifar(
      stage,
      'batch.bin',
      {
        'one row': { files: { 'batch.bin': binary(3) }, options: alone.options.replace('FILE', 'batch.bin') },
        'another type': binary(classes),
        'another width': isTen ? joined(record(0, 1), record(0, 1)) : joined(record(0), record(1)),
        mixed: joined(binary(1), binary(classes)),
      },
      joined(binary(1), binary(2)),
    ),
    [`${name}, Python`]: cifar(
      stage,
      'batch',
      {
        'no rows': pickle(0),
        'one row': { files: { batch: pickle(1, 3) }, options: alone.options.replace('FILE', 'batch') },
        'another type': cifarPickle(pixels(1), { [other!]: [1] }),
        'another width': pickle(2, 1),
        mixed: pickle(2, 1, classes),
      },
      pickle(2, 1, 2),
    ),
    [`${name}, MATLAB`]: cifar(
      stage,
      'batch.mat',
      {
        'one row': { files: { 'batch.mat': mat(1, 3) }, options: alone.options.replace('FILE', 'batch.mat') },
        'another type': matFile({ data: data(1), [other!]: column(1) }),
        'another width': matFile({ data: { shape: [1, 64], values: new Uint8Array(64) }, [field!]: column(1) }),
        mixed: mat(2, 1, classes),
      },
      mat(2, 1, 2),
    ),
  }
}

/** What `sink/arrow` writes. */
function recorded(...tables: Table[]): Uint8Array {
  const parts: Uint8Array[] = []
  const writer = new ArrowStreamWriter((part: Uint8Array) => parts.push(Uint8Array.from(part)), false)
  for (const table of tables) for (const batch of positioned(table)) writer.write(batch)
  return Buffer.concat(parts)
}

/** The shape 2 × 1 in the metadata becomes 2 × 3. */
const otherShape = (bytes: Uint8Array): Uint8Array => {
  const copy = Buffer.from(bytes)
  copy.write('2x3', copy.indexOf('2x1'))
  return copy
}

const position = { epoch: 1, step: 1, epochs: 1, steps: 1 }
const whole = recorded(...countedBatches([2, 1], 2))
const arraysOf = (parts: Partial<Model>): Table => parametersTables(modelWith(parts))(position, 0.1)
const [W, b] = modelWith().arrays
const three = { name: 'b', shape: [3], values: new Float32Array(3) }

const ofRuns: Readonly<Record<string, Format>> = {
  'Recorded wires': {
    stage: 'wire',
    options: 'path: "FILE", wire: batch',
    file: 'rows.arrows',
    whole,
    faults: {
      'no rows': whole.subarray(0, Buffer.from(whole).indexOf(Buffer.from([255, 255, 255, 255]), 8)),
      'one row': recorded(...countedBatches([1], 1)),
      'another type': arrowFile(arraysOf({})),
      'another width': otherShape(recorded(examples([[1, 2]], [0], { position, shape: [2, 1] }))),
      mixed: recorded(examples([[1, 2]], [7], { position })),
      'another format': bytes('epoch,step\n1,2\n'),
    },
  },
  'Trained parameters': {
    stage: 'parameters',
    options: 'path: "FILE"',
    file: 'parameters.arrow',
    whole: arrowFile(arraysOf({})),
    faults: {
      'no rows': arrowFile(arraysOf({ arrays: [] })),
      'one row': arrowFile(
        arraysOf({ shape: [1], arrays: [{ name: 'W', shape: [2, 1], values: new Float32Array(2) }, b!] }),
      ),
      'another type': recorded(...countedBatches([2], 1)),
      'another width': arrowFile(arraysOf({ arrays: [W!, three] })),
      mixed: arrowFile(arraysOf({ arrays: [W!] })),
      'another format': png,
    },
  },
}

/** All formats of files that are read. */
export const formats: Readonly<Record<string, Format>> = {
  ...tables,
  ...arrays,
  ...cifarFormats('cifar10', 'CIFAR-10'),
  ...cifarFormats('cifar100', 'CIFAR-100'),
  ...ofRuns,
}

/** The files of a folder in which the file of a format has a fault; `none`: it is whole. */
export function filesWith({ file, whole, beside, faults }: Format, fault: string): Files {
  const given = faults[fault] ?? faultOf(whole, fault)
  return { ...beside, [file]: whole, ...(given instanceof Uint8Array ? { [file]: given } : given.files) }
}

/** The options with which the file is read. */
export function optionsWith({ options, faults }: Format, fault: string): string {
  const given = faults[fault]
  return given && !(given instanceof Uint8Array) ? (given.options ?? options) : options
}

function faultOf(whole: Uint8Array, fault: string): Uint8Array {
  if (fault === 'none') return whole
  if (fault === 'empty') return new Uint8Array(0)
  if (fault === 'cut off') return whole.subarray(0, whole.length - 12)
  if (fault === 'damaged gzip') return gzipSync(whole).subarray(0, -20)
  throw new Error(`no file has the fault "${fault}"`)
}
