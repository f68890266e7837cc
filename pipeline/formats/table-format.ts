import { extname } from 'node:path'

/** The formats of flat tables, by the ending of a file: `arrow` is an Arrow IPC file, `arrows` a stream. */
export const tableFormats = ['csv', 'jsonl', 'arrow', 'arrows', 'parquet'] as const

/** A format of flat tables. */
export type TableFormat = (typeof tableFormats)[number]

/** The format that the ending of a file name says; undefined if it is none of ours. */
export function tableFormatOf(path: string): TableFormat | undefined {
  const ending = extname(path).slice(1).toLowerCase()
  return tableFormats.find((format) => format === ending)
}
