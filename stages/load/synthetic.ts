import type { Table } from 'apache-arrow'
import { z } from 'zod'
import {
  counted,
  deal,
  defineStage,
  exampleFields,
  examplesTable,
  fractions,
  PipelineError,
  ShardBuffer,
  type StageContext,
  streamFrom,
  turn,
  wire,
} from '../../pipeline/stage-kit.js'
import { rowMemory } from './row-memory.js'
import { type Kind, kinds } from './synthetic-kinds.js'

const options = z.strictObject({
  kind: z
    .enum(Object.keys(kinds) as [Kind, ...Kind[]])
    .describe(
      'What the rows are: `blobs` (a normal cloud per class), `spirals` (an arm per class), `linear` (labels by a planted linear ' +
        'model), `xor`, `moons` (two classes each).',
    ),
  rows: z
    .int()
    .positive()
    .max(2 ** 31 - 1)
    .describe('Number of rows of all splits together.'),
  features: z
    .int()
    .min(2)
    .max(1 << 20)
    .default(2)
    .describe('Features of a row. Spirals, xor and moons are in the first two, the others are noise alone.'),
  classes: z.int().min(2).max(10_000).default(2).describe('Number of classes, which are named by numbers from 0.'),
  noise: z
    .number()
    .nonnegative()
    .max(1000)
    .default(0.1)
    .describe(
      'Deviation of the normal noise in each feature; for `linear` the share of rows whose label is drawn anew.',
    ),
  seed: z
    .int()
    .nonnegative()
    .optional()
    .describe('Seed of the data. Default: the seed in the definition, whatever seed a run is given.'),
  fractions: fractions
    .default({ train: 0.8, test: 0.2 })
    .describe('Share of the rows in each split: the first rows are those of the first split.'),
})

type Options = z.output<typeof options>

/**
 * Makes rows with a known structure, for trials and benchmarks. Each row has random numbers of its own, addressed by its
 * number, so the first rows are the same whatever the number of rows, and in a divided run every rank draws its own.
 *
 * Classes take turns, row by row; with `linear` the planted model says the label. Features are float32.
 */
export const synthetic = defineStage({
  name: 'load/synthetic',
  summary: 'Makes rows with a known structure: blobs, spirals, a planted linear model, xor or moons.',
  options,
  inputs: {},
  outputs: { examples: wire.examples },
  example: '- use: load/synthetic\n  with: { kind: spirals, rows: 3000, classes: 3, noise: 0.02 }',
  holds: 'every split, 4 bytes per feature; in a divided run the shards of this rank; before cache/arrow one piece',
  parallel: 'every',
  answers: ['pieces'],
  facts: ({ options: { kind, features, classes, fractions, noise }, problem }) => {
    if ((kind === 'xor' || kind === 'moons') && classes !== 2)
      problem('classes', `${kind} has 2 classes, got ${classes}`)
    if (kind === 'linear' && noise > 1)
      problem('noise', `with \`linear\`, noise is a share of the rows, at most 1, got ${noise}`)
    return { examples: { splits: Object.keys(fractions), shape: [features], classes: namesOf(classes) } }
  },
  run: (options, context) => context.flow.pull(splitTables(options, context)),
})

function namesOf(classes: number): string[] {
  return Array.from({ length: classes }, (_, i) => String(i))
}

/** Marks in the counters of the random streams: what is drawn once, and the rows. */
const [STRUCTURE, ROWS] = [1, 2]

async function* splitTables(options: Options, context: StageContext): AsyncGenerator<Table> {
  const { kind, rows, features, classes, seed } = options
  const key = context.splitRandom(seed)
  const [key0, key1] = [key.uint32(), key.uint32()]
  const stream = (purpose: number, row: number) => streamFrom(Uint32Array.of(0, row, purpose, 0), key0, key1)
  const { draw } = kinds[kind](options, stream(STRUCTURE, 0))
  const fields = exampleFields({ shape: [features], classes: namesOf(classes) }, new Float32Array(0))
  const { shards, own } = context.parallel
  const isOwn = new Set(own)
  const inPieces = context.asked.some(({ pieces }) => pieces)
  const values = new Float32Array(features)
  let first = 0
  for (const [split, { length }] of deal(counting(rows), options.fractions)) {
    if (inPieces && length > 0) {
      yield* pieces(split, length, first)
      first += length
      continue
    }
    const buffer = new ShardBuffer(
      context.parallel,
      length,
      features,
      (count) => rowMemory(count, 'float32', context.kernels),
      ['row'],
    )
    for (let i = 0; i < length; i++) {
      const row = first + i
      if (isOwn.has(i % shards)) buffer.put(i, values, draw(row % classes, stream(ROWS, row), values), row)
      if (i % 64 === 0) await turn(context)
    }
    if (length === 0)
      throw new PipelineError(
        'DATA',
        `${counted(rows, 'row')} cannot be divided: none is left for the split "${split}"`,
      )
    yield* buffer.tables(fields, split)
    first += length
  }

  async function* pieces(split: string, length: number, first: number): AsyncGenerator<Table> {
    const most = Math.max(1, Math.floor(PIECE / (4 * features)))
    for (let from = 0; from < length; from += most) {
      const count = Math.min(most, length - from)
      const [own, labels, row] = [new Float32Array(count * features), new Int32Array(count), new Int32Array(count)]
      for (let i = 0; i < count; i++) {
        row[i] = first + from + i
        labels[i] = draw(row[i]! % classes, stream(ROWS, row[i]!), values)
        own.set(values, i * features)
        if (i % 64 === 0) await turn(context)
      }
      yield examplesTable(fields, own, labels, split, undefined, undefined, { row })
    }
  }
}

/** Bytes of the features of a piece. */
const PIECE = 4 << 20

function counting(count: number): Uint32Array {
  return new Uint32Array(count)
}
