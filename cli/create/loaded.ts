import { resolve } from 'node:path'
import type { Table } from 'apache-arrow'
import { ignoreElements, Subject, tap } from 'rxjs'
import { Pipeline, start } from '../../index.js'
import { type DataSummary, watchData } from '../../pipeline/run/data-summary.js'
import type { AnyStage } from '../../pipeline/stage/stage.js'
import { defineStage, inputPath, type StageContext, wire, z } from '../../pipeline/stage-kit.js'
import { readArff } from '../../stages/load/arff.js'
import { readArrow } from '../../stages/load/arrow/rows.js'
import { readJsonl } from '../../stages/load/jsonl.js'
import { readParquet } from '../../stages/load/parquet/rows.js'
import { FirstRows } from '../../stages/load/tabular/first-rows.js'
import { type TabularOptions, tabularOptions } from '../../stages/load/tabular/options.js'
import type { TableRows } from '../../stages/load/tabular/table-rows.js'
import { inPlainWords } from '../applied-model.js'
import type { Options } from './wiring.js'

type Reader = (path: string, options: TabularOptions, rows: TableRows, context: StageContext) => Promise<void>

/** The readers of files with columns, by the load stage; that of CSV files is told its options, and not asked. */
const readers: Readonly<Record<string, Reader>> = {
  'load/parquet': readParquet,
  'load/arrow': readArrow,
  'load/jsonl': readJsonl,
  'load/arff': (path, _, rows, context) => readArff(path, rows, context),
}

/** Whether `firstRows` reads the files of a load stage. */
export function hasColumns(use: string): boolean {
  return Object.hasOwn(readers, use)
}

/** Reads the first rows of a file as the load stage does. Rejects with a PipelineError `DATA` if it cannot be read. */
export async function firstRows(use: string, path: string, signal: AbortSignal): Promise<FirstRows> {
  let rows: FirstRows | undefined
  const looking = defineStage({
    name: use,
    summary: 'Looks at the first rows of a file.',
    options: z.strictObject({ path: inputPath() }),
    inputs: {},
    outputs: { examples: wire.examples },
    example: '',
    sources: ({ path }) => [path],
    run: ({ path }, context) => context.flow.pull(read(path, context)),
  })
  async function* read(path: string, context: StageContext): AsyncGenerator<Table> {
    const options = tabularOptions({}).parse({ path })
    rows = new FirstRows(options, context)
    await rows.readWith((all) => readers[use]!(path, options, all, context))
  }
  await ended(looking, { path: resolve(path) }, signal)
  return rows!
}

/**
 * Loads data with a load stage, and says what came. Only a few rows are in memory at a time if the stage can do that. Rejects with the
 * error of the stage.
 */
export async function summaryOf(use: string | AnyStage, options: Options, signal: AbortSignal): Promise<DataSummary> {
  const found = await ended(use, options, signal)
  return found!
}

async function ended(use: string | AnyStage, options: Options, signal: AbortSignal): Promise<DataSummary | undefined> {
  let summary: DataSummary | undefined
  const counting = defineStage({
    name: 'count',
    summary: 'Counts the rows, of which a few are in memory at a time if the stage that loads them can do so.',
    options: z.strictObject({}),
    inputs: { examples: wire.examples },
    outputs: {},
    asks: () => ({ examples: { pieces: true } }),
    example: '',
    run: () => (examples) => {
      const seen = new Subject<Table>()
      watchData(seen, (found) => {
        summary = found
      })
      return examples.pipe(
        tap({ next: (table) => seen.next(table), complete: () => seen.complete() }),
        ignoreElements(),
      )
    },
  })
  try {
    const stages = [
      { id: 'data', use, with: options },
      { id: 'count', use: counting },
    ]
    const pipeline = await Pipeline.define({ name: 'create', stages } as Parameters<typeof Pipeline.define>[0])
    await start(pipeline, { directory: false, signal, kernel: 'reference' }).result
  } catch (error) {
    throw inPlainWords(error)
  }
  return summary
}
