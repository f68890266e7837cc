import type { Table } from 'apache-arrow'
import { connect, filter, map, merge, type Observable } from 'rxjs'
import { z } from 'zod'
import {
  type Bar,
  type barsFigure,
  drawOffThread,
  type ImageLayout,
  imageLayout,
  inRows,
  type montageFigure,
  type Pixels,
  pixelsOf,
  rangeOf,
} from '../../figures/index.js'
import {
  arraysOf,
  checkLearner,
  copyParameters,
  defineStage,
  isDueAt,
  type Model,
  modelOf,
  type Numbers,
  PipelineError,
  type Position,
  positionOf,
  type StageContext,
  type TrainingInterval,
  toInterval,
  trainingInterval,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { drawn, figureFiles, figureOptions, figurePaths, type Pause } from './figure-files.js'
import { onlyLast } from './only-last.js'

const options = z.strictObject({
  ...figureOptions('weights'),
  tiles: z
    .string()
    .refine((tiles) => /^[1-9]\d{0,3}x[1-9]\d{0,3}$/.test(tiles), { error: 'expected rows x columns, such as 2x5' })
    .optional()
    .describe('Rows and columns of images, such as 2x5. Default: chosen by the number of classes or units.'),
  every: trainingInterval
    .refine((every) => (typeof every === 'string' ? !every.includes('step') : 'epochs' in every), {
      error: 'expected epochs, such as "5 epochs" or { epochs: 5 }',
    })
    .optional()
    .describe('How often to draw snapshots (PATH-epoch-0010 …), and at the end all on one sheet (PATH-epochs).'),
})

type Options = z.output<typeof options>

const pixels = z.strictObject({
  width: z.int(),
  height: z.int(),
  channels: z.literal([1, 3]),
  data: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
})

/** The snapshots so far, and the step of the last one. */
const state = z.strictObject({
  snapshots: z.array(z.strictObject({ epoch: z.int(), images: z.array(pixels) })),
  known: z.int().optional(),
})

/** The most weights per class, and the most classes, in the bar chart for data that are no images. */
const BARS = { weights: 10, classes: 24 }
/** The most units of a layer that are drawn. */
const UNITS = 100
/** The most snapshots (rows) and classes (columns) on a contact sheet. */
const SHEET = { snapshots: 12, classes: 20 }

/** Weights `[names, features]` that are drawn, with the name of each row. */
interface Drawn {
  readonly weights: Numbers
  readonly names: readonly string[]
  /** What a row stands for. */
  readonly rows: 'classes' | 'units'
  /** All rows, for titles: `each class`. */
  readonly what: string
}

/**
 * Draws the weights of each class, or of each unit of a network's first layer, as an image with the shape and channels of
 * the data. The smallest weight of a row is black and the largest white. If the data are no images, draws a bar chart of the largest weights. Draws at the end
 * of the run, and during training only if snapshots are requested.
 */
export const weights = defineStage({
  name: 'sink/weights',
  summary: 'Draws the weights of each class, or of each unit of the first layer, as an image.',
  options,
  inputs: { parameters: wire.parameters },
  outputs: {},
  parallel: 'first',
  optional: true,
  example: '- use: sink/weights\n  from: model\n  with: { tiles: 2x5, every: { epochs: 10 } }',
  holds: 'the images of the snapshots',
  asks: ({ every }) => ({ parameters: { arrays: every ? toInterval(every) : 'last' } }),
  facts: ({ options, inputs, problem }) => {
    checkLearner(inputs.parameters, problem)
    const learner = inputs.parameters?.learner
    if (learner && learner.templates === undefined)
      problem('', `the learner "${learner.name}" has no weights per class to draw`)
    const classes = learner?.templateRows === 'units' ? undefined : inputs.parameters?.classes?.length
    if (options.tiles && classes !== undefined) {
      const [rows, columns] = sizeOf(options.tiles)
      if (rows * columns < classes) problem('tiles', `${options.tiles} is too few for ${classes} classes`)
    }
    return {}
  },
  files: (options) => [...figurePaths(options), ...(options.every ? figurePaths(options, '-epochs') : [])],
  run: (options, context) => {
    const every = options.every && toInterval(options.every)
    const { snapshot, finish } = makeArtist(options, context)
    const atEnd = (parameters: Observable<Table>) => parameters.pipe(onlyLast(), map(copied(finish)))
    const onTheWay = (parameters: Observable<Table>, every: TrainingInterval) =>
      parameters.pipe(
        filter((table) => isDueAt(every, positionOf(table))),
        map(copied(snapshot)),
      )
    return (parameters) => {
      const drawings = every
        ? parameters.pipe(connect((shared) => merge(onTheWay(shared, every), atEnd(shared))))
        : atEnd(parameters)
      return drawings.pipe(drawn(context, (draw, pause) => draw(pause)))
    }
  },
})

type Draw = (table: Table, pause: Pause) => Promise<void>

/** Copies the parameters now, for `draw` to use later: the next step changes them. */
function copied(draw: Draw): (table: Table) => (pause: Pause) => Promise<void> {
  return (table) => {
    const copy = copyParameters(table)
    return (pause) => draw(copy, pause)
  }
}

function makeArtist(options: Options, context: StageContext) {
  const write = figureFiles(context, options)
  const snapshots: z.output<typeof state>['snapshots'] = []
  let known: number | undefined
  context.state(state, {
    snapshot: () => ({ snapshots, known }),
    restore: (saved) => {
      snapshots.push(...saved.snapshots)
      known = saved.known
    },
  })

  async function snapshot(table: Table, pause: Pause): Promise<void> {
    const { epoch } = positionOf(table)
    known = positionOf(table).step
    const writeSnapshot = figureFiles(context, options, `-epoch-${String(epoch).padStart(4, '0')}`)
    await writeSnapshot(await draw(table), pause)
    keep(table)
  }

  async function finish(table: Table, pause: Pause): Promise<void> {
    const model = modelOf(table)
    await write(await draw(table), pause)
    if (!imageLayout(model.shape))
      context.note(`the features are no image (shape ${model.shape.join('x')}): a bar chart of the largest weights`)
    if (!options.every) return
    if (positionOf(table).step !== known) keep(table)
    if (snapshots.length > 0)
      await figureFiles(context, options, '-epochs')(await contactSheet(drawnOf(model).names), pause)
  }

  function drawnOf(model: Model): Drawn {
    const { name, templates, templateRows } = context.learner(model.learner, model.options)
    const weights = templates === undefined ? undefined : arraysOf(model)[templates]
    if (!weights) throw new PipelineError('DATA', `the learner "${name}" has no weights per class to draw`)
    if (templateRows !== 'units') return { weights, names: model.classes, rows: 'classes', what: 'each class' }
    const units = weights.length / widthOf(model.shape)
    const shown = Math.min(units, UNITS)
    return {
      weights: weights.subarray(0, shown * widthOf(model.shape)),
      names: Array.from({ length: shown }, (_, unit) => `unit ${unit + 1}`),
      rows: 'units',
      what: shown < units ? `${shown} of ${units} units of the first layer` : 'each unit of the first layer',
    }
  }

  function keep(table: Table): void {
    const model = modelOf(table)
    const layout = imageLayout(model.shape)
    if (layout) snapshots.push({ epoch: positionOf(table).epoch, images: templates(drawnOf(model), layout) })
  }

  function draw(table: Table): Promise<string> {
    const model = modelOf(table)
    const layout = imageLayout(model.shape)
    const when = whenOf(positionOf(table))
    const drawn = drawnOf(model)
    if (!layout) return drawOffThread('barsFigure', bars(drawn, when, model.names), context.signal)
    const tiles = templates(drawn, layout).map((image, row) => ({ image, caption: [drawn.names[row]!] }))
    const rows = inRows(tiles, options.tiles ? sizeOf(options.tiles)[1] : columnsFor(tiles.length))
    return montage(rows, { title: `Weights of ${drawn.what}`, subtitle: `${when}; each over its own range` })
  }

  function contactSheet(names: readonly string[]): Promise<string> {
    const last = snapshots.length - 1
    const count = Math.min(snapshots.length, SHEET.snapshots)
    const chosen = Array.from(
      { length: count },
      (_, i) => snapshots[count === 1 ? last : Math.round((i * last) / (count - 1))]!,
    )
    const rows = chosen.map(({ epoch, images }) => ({
      label: `epoch ${epoch}`,
      tiles: images.slice(0, SHEET.classes).map((image) => ({ image })),
    }))
    return montage(rows, {
      title: 'How the weights came about',
      subtitle: 'each image over its own range',
      columns: names.slice(0, SHEET.classes),
      tileWidth: 64,
    })
  }

  function montage(...given: Parameters<typeof montageFigure>): Promise<string> {
    return drawOffThread('montageFigure', given, context.signal)
  }

  return { snapshot, finish }
}

/** One image per row, the smallest weight black and the largest white. */
function templates({ weights, names }: Drawn, layout: ImageLayout): Pixels[] {
  const features = weights.length / names.length
  return names.map((_, c) => {
    const offset = c * features
    return pixelsOf(weights, layout, rangeOf(weights, offset, features), offset)
  })
}

/**
 * The largest weights of the first rows, to be drawn as bars.
 *
 * @param columns the names of the features; default: their numbers
 */
function bars(
  { weights, names, rows, what }: Drawn,
  when: string,
  columns: readonly string[] = [],
): Parameters<typeof barsFigure> {
  const features = weights.length / names.length
  const shown = names.slice(0, BARS.classes)
  const values = shown.flatMap((group, c): Bar[] => {
    const row = weights.subarray(c * features, (c + 1) * features)
    const order = Array.from(row.keys()).sort((i, j) => Math.abs(row[j]!) - Math.abs(row[i]!) || i - j)
    return order.slice(0, BARS.weights).map((j) => ({ group, name: columns[j] ?? `feature ${j}`, value: row[j]! }))
  })
  const of = shown.length < names.length ? `${shown.length} of ${names.length} ${rows}` : what
  return [values, { title: `Largest weights of ${of}, ${when}` }]
}

function whenOf({ epoch, step, steps }: Position): string {
  return step === epoch * steps ? `epoch ${epoch}` : `epoch ${epoch}, step ${step}`
}

function sizeOf(tiles: string): [rows: number, columns: number] {
  return tiles.split('x').map(Number) as [number, number]
}

function columnsFor(classes: number): number {
  if (classes <= 5) return classes
  return classes <= 10 ? Math.ceil(classes / 2) : Math.max(8, Math.ceil(Math.sqrt(1.5 * classes)))
}
