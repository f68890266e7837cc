import type { Table } from 'apache-arrow'
import { filter } from 'rxjs'
import { z } from 'zod'
import { imageLayout, pixelsOf, pngOfPixels, rangeOf } from '../../figures/index.js'
import {
  arraysOf,
  defineStage,
  isDueAt,
  metricInfosOf,
  metricsRows,
  modelOf,
  outputPath,
  PipelineError,
  positionOf,
  type StageContext,
  toInterval,
  trainingInterval,
  widthOf,
  wire,
} from '../../pipeline/stage-kit.js'
import { appended } from './append.js'
import { histogramOf, type Summary, summaryRecord, versionRecord } from './event-file.js'
import { wireFile } from './wire-file.js'

/** The most images of one step. */
const IMAGES = 20

const options = z.strictObject({
  path: outputPath
    .refine((path) => path.split('/').at(-1)!.includes('tfevents'), {
      error: 'expected a file name with "tfevents" in it: TensorBoard opens no others',
    })
    .optional()
    .describe(
      'File inside the run directory. Default: `tensorboard/NAME/events.out.tfevents.0.millrace`, where NAME is `metrics` ' +
        'for metrics, for parameters the id of the stage above.',
    ),
  every: trainingInterval.default('1 epoch').describe('How often to write histograms and images of parameters.'),
  images: z.boolean().default(true).describe('Whether to write the weights as images, if the data are images.'),
  wallTime: z
    .enum(['step', 'clock'])
    .default('step')
    .describe(
      'What TensorBoard shows as time. `step`: the number of the step in seconds, the same in every run. `clock`: the real ' +
        'time, so that no two runs give the same file.',
    ),
})

type Options = z.output<typeof options>

/**
 * Writes an event file for TensorBoard. Metrics become scalars, `loss/train` from the column `train_loss`, so that the
 * splits share a chart. Parameters become a histogram for each array, and images of the weights. Each table is written as
 * soon as it arrives; a resumed run cuts the file to its checkpoint and goes on with it.
 */
export const tensorboard = defineStage({
  name: 'sink/tensorboard',
  summary: 'Writes metrics or parameters to an event file of TensorBoard.',
  options,
  inputs: { tables: { ...wire.metrics, also: ['parameters'] } },
  outputs: {},
  parallel: 'first',
  complete: ({ path, ...rest }, { tables }) => ({
    ...rest,
    path: path ?? `tensorboard/${wireFile(tables, 'events').replace(/\.events$/, '')}/events.out.tfevents.0.millrace`,
  }),
  example: '- use: sink/tensorboard\n  from: metrics',
  asks: ({ every }) => ({ tables: { arrays: toInterval(every) } }),
  run: (options, context) => {
    const every = toInterval(options.every)
    const records = new WeakMap<Table, Uint8Array>()
    let kind: 'metrics' | 'parameters' | undefined
    const write = appended(context, options.path ?? '', (table, file, index) => {
      if (index === 0) file.append(versionRecord())
      file.append(records.get(table)!)
    })
    const record = async (table: Table): Promise<Table> => {
      const { step } = positionOf(table)
      const seconds = options.wallTime === 'clock' ? Date.now() / 1000 : step
      const summaries = kind === 'parameters' ? await parameterSummaries(table, options, context) : scalars(table)
      records.set(table, summaryRecord(step, seconds, summaries))
      return table
    }
    return (tables) =>
      tables.pipe(
        filter((table) => {
          kind ??= kindOf(table)
          return kind === 'metrics' || isDueAt(every, positionOf(table))
        }),
        context.flow.concatMap(record),
        write,
      )
  },
})

function kindOf(table: Table): 'metrics' | 'parameters' {
  const wire = table.schema.metadata.get('wire')
  if (wire === 'metrics' || wire === 'parameters') return wire
  throw new PipelineError(
    'DATA',
    `sink/tensorboard shows metrics and parameters, got ${wire ?? 'tables of another kind'}; give it another wire with \`from\``,
  )
}

/** A scalar for each metric: the metric first, then the split. */
function scalars(table: Table): Summary[] {
  const infos = metricInfosOf(table)
  return metricsRows(table).flatMap(({ epoch: _, step: __, ...metrics }) =>
    Object.entries(metrics).map(([column, scalar]) => {
      const { name = column, split } = infos[column] ?? {}
      return { tag: split ? `${name}/${split}` : name, scalar }
    }),
  )
}

async function parameterSummaries(table: Table, { images }: Options, context: StageContext): Promise<Summary[]> {
  const model = modelOf(table)
  const histograms = model.arrays.flatMap(({ name, values }): Summary[] => {
    const histogram = histogramOf(values)
    return histogram ? [{ tag: `parameters/${name}`, histogram }] : []
  })
  const layout = imageLayout(model.shape)
  if (!images || !layout) return histograms
  const { templates, templateRows } = context.learner(model.learner, model.options)
  const weights = templates === undefined ? undefined : arraysOf(model)[templates]
  if (!weights) return histograms
  const width = widthOf(model.shape)
  const count = Math.min(IMAGES, weights.length / width)
  // The next step may change the weights while an image is packed.
  const pixels = Array.from({ length: count }, (_, row) =>
    pixelsOf(weights, layout, rangeOf(weights, row * width, width), row * width),
  )
  const shown: Summary[] = []
  for (const [row, image] of pixels.entries()) {
    const name = templateRows === 'units' ? `unit ${row + 1}` : model.classes[row]!
    shown.push({ tag: `weights/${name}`, image: { ...image, png: await pngOfPixels(image) } })
  }
  return [...histograms, ...shown]
}
