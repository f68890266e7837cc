import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Where the real datasets lie. */
export const data = process.env.MILLRACE_DATA ?? ''

/** Why a test of a dataset is skipped; false where it is there. */
export function dataMissing(folder: string): string | false {
  return existsSync(join(data, folder)) ? false : `set MILLRACE_DATA to the folder that holds ${folder}`
}
