import { z } from 'zod'
import { ArrowStreamWriter, defineStage, outputPath, positioned, wire } from '../../pipeline/stage-kit.js'
import { appended } from './append.js'
import { wireFile } from './wire-file.js'

/**
 * Writes any wire as an Arrow IPC stream. Each table is written as soon as it arrives. After a crash, the stream can be
 * read up to its last complete batch. A stream has only one schema, so the position of a table becomes the columns
 * `epoch` and `step` (if it has no such columns), and the split of examples and batches becomes the column `split`.
 */
export const arrow = defineStage({
  name: 'sink/arrow',
  summary: 'Writes the tables of any wire to an Arrow IPC stream.',
  options: z.strictObject({
    path: outputPath
      .optional()
      .describe(
        'File inside the run directory. Default: `metrics.arrows` for metrics, for other wires the id of the stage ' +
          'above, such as `examples.arrows`.',
      ),
  }),
  inputs: { tables: wire.any },
  outputs: {},
  parallel: 'first',
  complete: ({ path, ...rest }, { tables }) => ({ ...rest, path: path ?? wireFile(tables, 'arrows') }),
  example: '- use: sink/arrow\n  from: metrics\n  with: { path: metrics.arrows }',
  run: ({ path = '' }, context) => {
    let writer: ArrowStreamWriter | undefined
    return appended(context, path, (table, file, index) => {
      const batches = positioned(table)
      if (!writer) {
        const [{ schema } = table] = batches
        file.keepTo(schema.fields.map(({ name, type }) => `${name}: ${type}`).join(', '))
        writer = new ArrowStreamWriter((bytes) => file.append(bytes), index > 0)
      }
      for (const batch of batches) writer.write(batch)
    })
  },
})
