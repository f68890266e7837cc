import { resolve } from 'node:path'
import type { Table } from 'apache-arrow'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { type TableFormat, tableFormatOf, tableFormats } from '../pipeline/formats/table-format.js'
import { tableWriter } from '../pipeline/formats/table-writer.js'
import { predictionsTable } from '../pipeline/wires/predictions.js'
import { type AppliedModel, applyModel, inPlainWords, type ModelFlags } from './applied-model.js'
import { type OutputFile, openOutputFile } from './output-file.js'
import { handingTo, runApplied } from './run-applied.js'
import { interruption, type Output } from './terminal.js'

/** The options of `millrace predict`. */
export interface PredictFlags extends ModelFlags {
  /** The file to write; `-` is standard output. */
  readonly out: string
  /** The format. Default: by the ending of `out`, or CSV. */
  readonly format?: TableFormat
  /** Replaces an existing file. */
  readonly force?: boolean
  /** Prints no notes and no summary. */
  readonly quiet?: boolean
  /** Prints the summary as JSON. */
  readonly json?: boolean
}

/** `millrace predict`: applies a trained model to rows, and writes a row of predictions for each. */
export async function predictCommand(
  run: string,
  data: readonly string[],
  flags: PredictFlags,
  output: Output,
): Promise<void> {
  const isStdout = flags.out === '-'
  if (isStdout && flags.json)
    throw new PipelineError(
      'ARGUMENTS',
      '--json prints a summary to standard output; name a file with --out for the rows',
    )
  const format = formatFor(flags)
  const stop = interruption(output)
  let applied: AppliedModel | undefined
  // Made before the run, so that a place that cannot be written to is told at once.
  let file: OutputFile | undefined
  try {
    applied = await applyModel(run, data, flags, stop.signal)
    file = isStdout ? undefined : openOutputFile(resolve(flags.out), flags.force === true)
    const counts = await written(applied, format, file?.append, flags, output, stop.signal)
    file?.commit()
    if (!isStdout) report(counts, format, flags, output)
  } catch (error) {
    // The reader of standard output has read enough (`millrace predict … | head`).
    if (!(isStdout && output.isClosed)) throw inPlainWords(error)
  } finally {
    file?.abandon()
    applied?.dispose()
    stop.release()
  }
}

function formatFor({ out, format }: PredictFlags): TableFormat {
  const found = format ?? (out === '-' ? 'csv' : tableFormatOf(out))
  if (found) return found
  throw new PipelineError(
    'ARGUMENTS',
    `${out}: expected a file that ends in ${tableFormats.map((name) => `.${name}`).join(', ')}; or give --format`,
  )
}

/** What was predicted. */
interface Counts {
  /** Rows by their predicted class. */
  readonly classes: Record<string, number>
  rows: number
  /** Rows whose class is known, and those among them that were predicted right. */
  labelled: number
  right: number
}

async function written(
  { pipeline, model, learner, position }: AppliedModel,
  format: TableFormat,
  append: ((bytes: Uint8Array) => void) | undefined,
  flags: PredictFlags,
  output: Output,
  signal: AbortSignal,
): Promise<Counts> {
  const writer = tableWriter(format, append ?? ((bytes) => output.data(bytes)))
  const counts: Counts = {
    classes: Object.fromEntries(model.classes.map((name) => [name, 0])),
    rows: 0,
    labelled: 0,
    right: 0,
  }
  const closed = new AbortController()
  let schema = emptyPredictions(model.classes, learner.scores === 'logits').schema
  async function take(table: Table): Promise<void> {
    schema = table.schema
    count(table, counts)
    await writer.write(table)
    if (append) return
    await output.drained()
    if (output.isClosed) closed.abort()
  }
  const applying = pipeline
    .insertAfter('model', {
      id: 'predictions',
      use: 'evaluate/predictions',
      from: { parameters: 'model', examples: 'data' },
    })
    .insertAfter('predictions', { id: 'out', use: handingTo(take), from: 'predictions' })
  await runApplied(applying, flags, output, AbortSignal.any([signal, closed.signal]))
  await writer.finish(schema)
  await output.drained()
  return counts

  function emptyPredictions(classes: readonly string[], isLogits: boolean): Table {
    const none = new Int32Array(0)
    const kind = isLogits ? 'probability' : 'score'
    return predictionsTable(
      { classes, kind, rows: none, labels: none, predicted: none, values: new Float64Array(0) },
      '',
      position,
    )
  }
}

function count(table: Table, counts: Counts): void {
  const [labels, predicted] = [table.getChild('label')!, table.getChild('predicted')!]
  for (let i = 0; i < table.numRows; i++) {
    const [label, found] = [labels.get(i) as string | null, predicted.get(i) as string]
    counts.rows++
    counts.classes[found]!++
    if (label === null) continue
    counts.labelled++
    if (label === found) counts.right++
  }
}

function report(
  { classes, rows, labelled, right }: Counts,
  format: TableFormat,
  { out, json, quiet }: PredictFlags,
  output: Output,
): void {
  if (json) {
    const accuracy = labelled > 0 ? right / labelled : null
    output.write(`${JSON.stringify({ file: resolve(out), format, rows, classes, labelled, accuracy })}\n`)
    return
  }
  if (quiet) return
  const each = Object.entries(classes).map(([name, count]) => `${oneLine(name)} ${count}`)
  const shown = each.length > 20 ? [...each.slice(0, 20), '…'] : each
  output.write(
    `${counted(rows, 'row', rows.toLocaleString('en'))}: ${shown.join(', ')}; written to ${shortPath(resolve(out))}\n`,
  )
  if (labelled > 0)
    output.write(
      `${((100 * right) / labelled).toFixed(2)} % right, of the ${counted(labelled, 'row', labelled.toLocaleString('en'))} with a label\n`,
    )
}
