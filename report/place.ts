import { join } from 'node:path'
import { PipelineError } from '../pipeline/base/errors.js'
import { shortPath } from '../pipeline/base/words.js'
import { isFile } from '../pipeline/directory/run-place.js'
import { readRegularFile } from '../pipeline/files/regular-file.js'
import { formats } from './formats.js'
import type { DataTable } from './tables.js'

/** The largest file that is read to find out whether it is of a report, in bytes. */
const MAX_BYTES = 256 << 20

/**
 * Throws a PipelineError `ARGUMENTS` that names every file that a report would write over, unless it is of an earlier
 * report or `force` is set.
 *
 * @param figures the names of the figures beside the tables
 */
export function checkReportPlace(
  { out, tables: folder, force = false }: { out: string; tables?: string | undefined; force?: boolean | undefined },
  tables: readonly DataTable[],
  figures: readonly string[] = [],
): void {
  if (force) return
  const foreign = isForeign(out, isReport) ? [out] : []
  if (folder !== undefined) {
    const own = tables.filter(({ id }) => isTable(folder, id))
    for (const { id } of tables)
      if (!own.some((table) => table.id === id)) foreign.push(...filesOf(folder, id).filter(isFile))
    // A figure tells nothing of its origin; it is written beside tables that do.
    if (own.length === 0) foreign.push(...figures.map((name) => join(folder, name)).filter(isFile))
  }
  if (foreign.length > 0)
    throw new PipelineError(
      'ARGUMENTS',
      foreign.map((path) => ({
        message: `${shortPath(path)} exists already and is not of a report; --force replaces it`,
      })),
    )
}

function filesOf(folder: string, id: string): string[] {
  return Object.keys(formats).map((ending) => join(folder, `${id}.${ending}`))
}

/** Whether the three files of a table are those that a report has written. */
function isTable(folder: string, id: string): boolean {
  const files = filesOf(folder, id)
  return files.every(isFile) && /^\*\*.*\*\*\n\n\| /.test(textOf(files[0]!))
}

function isForeign(path: string, isOwn: (text: string) => boolean): boolean {
  return isFile(path) && !isOwn(textOf(path))
}

function isReport(html: string): boolean {
  return html.slice(0, 4096).includes('<meta name="generator" content="Millrace">')
}

/** The text of a file; empty if it cannot be read. */
function textOf(path: string): string {
  try {
    return String(readRegularFile(path, MAX_BYTES))
  } catch {
    return ''
  }
}
