import { concat, defer, EMPTY, tap } from 'rxjs'
import { parse } from 'yaml'
import { z } from 'zod'
import { type Confusion, confusionOf } from '../figures/index.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { nonFiniteAsText } from '../pipeline/base/json.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { textColumns } from '../pipeline/base/text-table.js'
import { counted, cutName, shortPath, show } from '../pipeline/base/words.js'
import { MODEL_SPLIT } from '../pipeline/formats/model-inputs.js'
import type { Result } from '../pipeline/run/contract.js'
import { wire } from '../pipeline/stage/port.js'
import { defineStage } from '../pipeline/stage/stage.js'
import { kernelRows } from '../pipeline/wires/examples.js'
import { classificationSeen } from '../stages/evaluate/classification.js'
import type { Further } from '../stages/evaluate/further-metrics.js'
import type { SeeRow } from '../stages/evaluate/further-scores.js'
import { type AppliedModel, applyModel, inPlainWords, type ModelFlags } from './applied-model.js'
import { runApplied } from './run-applied.js'
import { interruption, type Output } from './terminal.js'

/** The options of `millrace evaluate`. */
export interface EvaluateFlags extends ModelFlags {
  /** Metrics beside those of the learner, as `evaluate/classification` names them, separated by commas. */
  readonly metrics?: string
  /** Prints JSON instead of tables. */
  readonly json?: boolean
}

/** `millrace evaluate`: the metrics and the confusion matrix of a trained model on labelled rows. */
export async function evaluateCommand(
  run: string,
  data: readonly string[],
  flags: EvaluateFlags,
  output: Output,
): Promise<void> {
  const stop = interruption(output)
  let applied: AppliedModel | undefined
  try {
    applied = await applyModel(run, data, flags, stop.signal)
    const labels: number[] = []
    const predicted: number[] = []
    const { model, file, position } = applied
    const pipeline = evaluating(applied, flags, (label, guess) => {
      labels.push(label)
      predicted.push(guess)
    })
    if (data.length === 0 && flags.set.length === 0)
      output.warn(
        'note: these are all rows that the run has loaded, those that it trained on too; metrics.csv has each split\n',
      )
    const metrics = metricsOf(await runApplied(pipeline, flags, output, stop.signal))
    const confusion = confusionOf(labels, predicted, model.classes)
    if (flags.json) {
      const { epoch, step } = position
      output.write(
        `${JSON.stringify({ file, epoch, step, rows: confusion.rows, metrics: valuesOf(metrics), ...asJson(confusion) }, nonFiniteAsText)}\n`,
      )
      return
    }
    output.write(
      `${counted(confusion.rows, 'row', confusion.rows.toLocaleString('en'))}; parameters of epoch ${position.epoch}, step ${position.step} ` +
        `in ${shortPath(file)}\n\n${metricsText(metrics)}\n${confusionText(confusion)}`,
    )
  } catch (error) {
    throw inPlainWords(error)
  } finally {
    applied?.dispose()
    stop.release()
  }
}

function evaluating({ pipeline, file }: AppliedModel, flags: EvaluateFlags, see: SeeRow) {
  const metrics = metricsAsked(flags)
  return pipeline
    .insertAfter('model', { id: 'labelled', use: labelled, from: 'data' })
    .insertAfter('labelled', {
      id: 'standardised',
      use: 'normalize/as-trained',
      from: 'labelled',
      with: { model: file },
    })
    .insertAfter('standardised', {
      id: 'metrics',
      use: classificationSeen(see),
      from: { parameters: 'model', examples: 'standardised' },
      with: { metrics },
    })
}

/** What `--metrics` says; the stage checks it. */
function metricsAsked({ metrics = '' }: EvaluateFlags): Further[] {
  try {
    return parse(`[${metrics}]`, { maxAliasCount: 0, logLevel: 'error' }) as Further[]
  } catch {
    throw new PipelineError('ARGUMENTS', `--metrics: expected names separated by commas, got ${show(metrics)}`)
  }
}

/** Passes rows on, and fails at their end if the class of some is not known. */
const labelled = defineStage({
  name: 'evaluate/labelled',
  summary: 'Fails if a row has no label.',
  options: z.strictObject({}),
  inputs: { examples: wire.examples },
  outputs: { examples: wire.examples },
  example: '',
  run: () => (examples) =>
    defer(() => {
      let rows = 0
      const unknown: number[] = []
      return concat(
        examples.pipe(
          tap((table) => {
            for (const label of kernelRows(table).labels) {
              if (label < 0) unknown.push(rows)
              rows++
            }
          }),
        ),
        defer(() => {
          if (unknown.length === 0) return EMPTY
          const some = unknown.slice(0, 5).join(', ')
          throw new PipelineError(
            'DATA',
            `expected rows whose class is known, but ${unknown.length} of ${rows} have no label ` +
              `(row${unknown.length === 1 ? '' : 's'} ${some}${unknown.length > 5 ? ', …' : ''}, counted from 0); ` +
              'millrace predict classifies such rows',
          )
        }),
      )
    }),
})

interface Metric {
  readonly name: string
  readonly title: string
  readonly unit: string | undefined
  readonly value: number
}

function metricsOf({ history, record }: Result): Metric[] {
  const row: Readonly<Record<string, number>> = history.at(-1) ?? {}
  return Object.entries(record.metrics ?? {}).map(([column, { title, unit }]) => ({
    name: column.startsWith(`${MODEL_SPLIT}_`) ? column.slice(MODEL_SPLIT.length + 1) : column,
    title,
    unit,
    value: row[column] ?? Number.NaN,
  }))
}

function valuesOf(metrics: readonly Metric[]): Record<string, number> {
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]))
}

function metricsText(metrics: readonly Metric[]): string {
  const rows = metrics.map(({ title, unit, value }) => [
    oneLine(title),
    unit === 'share' ? `${(100 * value).toFixed(2)} %` : `${value.toPrecision(6)}${unit ? ` ${oneLine(unit)}` : ''}`,
  ])
  return `${textColumns(rows, (column) => column > 0).join('\n')}\n`
}

/** More classes than this do not fit on a screen. */
const MOST_SHOWN = 20

function confusionText({ classes, counts, perClass }: Confusion): string {
  const share = (value: number): string => (Number.isNaN(value) ? '–' : `${(100 * value).toFixed(1)} %`)
  const isSmall = classes.length <= MOST_SHOWN
  const names = classes.map(cutName)
  const head = ['true \\ predicted', ...(isSmall ? names : []), 'rows', 'recall', 'precision', 'F1']
  const lines = names.map((name, k) => [
    name,
    ...(isSmall ? names.map((_, j) => String(counts[k * classes.length + j])) : []),
    String(perClass[k]!.rows),
    ...[perClass[k]!.recall, perClass[k]!.precision, perClass[k]!.f1].map(share),
  ])
  return `${textColumns([head, ...lines], (column) => column > 0).join('\n')}\n`
}

function asJson({ classes, counts, perClass }: Confusion) {
  const confusion = classes.map((_, k) => [...counts.subarray(k * classes.length, (k + 1) * classes.length)])
  return { classes, confusion, perClass }
}
