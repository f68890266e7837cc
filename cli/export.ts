import { lstatSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { exportOnnx } from '../learners/index.js'
import { learnerOf } from '../model.js'
import { PipelineError } from '../pipeline/base/errors.js'
import { oneLine } from '../pipeline/base/plain-text.js'
import { counted, shortPath } from '../pipeline/base/words.js'
import { attempt, replaceFile } from '../pipeline/files/files.js'
import { hasInside, namesInside } from '../pipeline/files/inside.js'
import { type ExportFormat, exportParameters, readParametersInside } from '../pipeline/formats/export.js'
import { modelOf } from '../pipeline/wires/parameters.js'
import { positionOf } from '../pipeline/wires/position.js'
import { readRecord } from '../report/index.js'
import type { Output } from './terminal.js'

/** The options of `millrace export`. */
export interface ExportFlags {
  /** Format of the file to write. */
  readonly format: ExportFormat | 'onnx'
  /** The folder of the stage file with the learner of the run, for ONNX. */
  readonly plugins?: string
  /** The parameters to export: `last`, `best`, or the name of an Arrow file in the run directory. */
  readonly which: string
  /** The file to write. Default: the path of the source with the ending of the format. */
  readonly out?: string
  /** Replaces an existing file. */
  readonly force?: boolean
  /** Prints JSON instead of text. */
  readonly json?: boolean
}

const known = new Map([
  ['last', 'parameters.arrow'],
  ['best', 'best.arrow'],
])

/** `millrace export`: writes the parameters of a run to a file that other programs can read. */
export async function exportCommand(directory: string, flags: ExportFlags, output: Output): Promise<void> {
  const { versions } = readRecord(directory)
  const source = sourceOf(directory, flags.which)
  const table = readParametersInside(directory, source)
  const bytes =
    flags.format === 'onnx'
      ? exportOnnx(
          table,
          await learnerOf(modelOf(table), directory, { plugins: flags.plugins ?? false }),
          versions.millrace,
        )
      : exportParameters(table, flags.format, versions.millrace)
  const target = resolve(flags.out ?? join(directory, `${source.replace(/\.arrow$/, '')}.${flags.format}`))
  if (lstatSync(target, { throwIfNoEntry: false }) && flags.force !== true)
    throw new PipelineError(
      'ARGUMENTS',
      `${shortPath(target)} exists already; --force replaces it, --out names another`,
    )
  replaceFile(target, bytes)

  const arrays = modelOf(table).arrays.map(({ name, shape, values }) => ({
    name,
    shape,
    type: values instanceof Float64Array ? 'float64' : 'float32',
  }))
  const { epoch, step } = positionOf(table)
  if (flags.json) {
    output.write(
      `${JSON.stringify({ file: target, format: flags.format, bytes: bytes.length, epoch, step, arrays })}\n`,
    )
    return
  }
  const list = arrays.map(({ name, shape, type }) => `${oneLine(name)} ${shape.join('×')} ${type}`)
  output.write(
    `${list.join(', ')} of epoch ${epoch}, step ${step}: ${counted(bytes.length, 'byte')} in ${shortPath(target)}\n`,
  )
}

/** Returns the Arrow file to read, inside of the directory. If it does not exist, the error lists the Arrow files in the directory. */
function sourceOf(directory: string, which: string): string {
  const name = known.get(which) ?? which
  if (hasInside(directory, name)) return name
  const others = attempt('read the directory', directory, () => namesInside(directory)).filter((file) =>
    file.endsWith('.arrow'),
  )
  const help =
    others.length > 0
      ? `give --which ${others.join(' or ')}`
      : 'the run wrote no parameters; it needs sink/parameters or sink/best, and to reach their end'
  throw new PipelineError('ARGUMENTS', `there is no ${shortPath(join(directory, name))}: ${help}`)
}
