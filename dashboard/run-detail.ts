import { join } from 'node:path'
import { Pipeline } from '../index.js'
import { messageOf } from '../pipeline/base/errors.js'
import { outlineOf } from '../pipeline/graph/outline.js'
import { type RunText, readRecord, readRunText, type StoredRecord } from '../report/index.js'
import { readSheet, type Sheet } from '../report/sheets.js'
import type { RunDetail, RunSummary, TextTable } from './contract.js'
import { filesOf } from './run-files.js'

/** The largest table that is shown whole, in bytes. */
const MOST_BYTES = 1 << 20

/** Longer definitions are cut. */
const MOST_TEXT = 200_000

/** Reads everything about a run but its curves. Throws a PipelineError if there is no run any more. */
export async function detailOf(directory: string, summary: RunSummary): Promise<RunDetail> {
  const remarks: string[] = []
  const record = readRecord(directory)
  const text = readRunText(directory, record.changes, remarks)
  const sheet = (name: string): TextTable | undefined => {
    const found: Sheet | undefined = readSheet(directory, name, remarks, MOST_BYTES)
    return found && { columns: found.columns, rows: found.rows.slice(0, 1000) }
  }
  return {
    summary,
    facts: factsOf(record),
    notes: record.notes,
    definition: text.text.slice(0, MOST_TEXT),
    graph: await graphOf(directory, text, remarks),
    files: filesOf(directory),
    confusion: sheet('figures/confusion.csv'),
    predictions: sheet('figures/predictions.csv'),
    remarks,
  }
}

function factsOf(record: StoredRecord): [name: string, value: string][] {
  const { versions, machine, kernel, timings, data } = record
  return [
    ['Started', record.started ?? '–'],
    ['Took', timings?.total === undefined ? '–' : `${timings.total.toFixed(1)} s`],
    ['Seed', String(record.seed)],
    [
      'Versions',
      Object.entries(versions)
        .map((pair) => pair.join(' '))
        .join(', '),
    ],
    ...(machine
      ? [['Machine', `${machine.cpu}, ${machine.cores} cores, ${machine.platform}`] as [string, string]]
      : []),
    ...(kernel
      ? [['Kernel', `${kernel.name} (${kernel.detail}), threads: ${kernel.threads}`] as [string, string]]
      : []),
    ...data.map(({ path, bytes }): [string, string] => ['Data', `${path}, ${bytes.toLocaleString('en')} bytes`]),
  ]
}

/**
 * The pipeline as a graph, without loading code: the definition may be a stranger's. If it needs stages of its own, only
 * the stages and the wires that the text shows are known.
 */
async function graphOf(directory: string, { text }: RunText, remarks: string[]): Promise<RunDetail['graph']> {
  if (text === '') return { stages: [], wires: [] }
  try {
    const { graph } = await Pipeline.load(join(directory, 'pipeline.yaml'), { plugins: false, isDetached: true })
    const { stages, wires } = outlineOf(graph)
    return {
      stages: stages.map(({ id, use, outputs }) => ({ id, use, known: outputs.flatMap(({ known }) => known) })),
      wires: wires.map(({ from, output, to, type }) => ({ from, output, to, type })),
    }
  } catch (error) {
    remarks.push(`the graph is not shown: ${messageOf(error)}`)
    return { stages: [], wires: [] }
  }
}
