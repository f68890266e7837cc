import { extname, join } from 'node:path'
import { entryInside, namesInside } from '../pipeline/files/inside.js'
import type { RunFile } from './contract.js'

/** The folders of a run directory whose files can be downloaded. */
const FOLDERS = ['', 'figures']

/** More files are not listed. */
const MOST = 500

const types: Readonly<Record<string, string>> = {
  '.csv': 'text/csv; charset=utf-8',
  '.jsonl': 'application/jsonl; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.yaml': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
}

/** The files of a run that can be downloaded. Links, folders and hidden files are left out. */
export function filesOf(directory: string): RunFile[] {
  const names = FOLDERS.flatMap((folder) =>
    namesOrNone(directory, folder).map((name) => (folder ? `${folder}/${name}` : name)),
  )
  return names
    .filter((name) => !/(^|\/)\.|\.part$/.test(name))
    .flatMap((name): RunFile[] => {
      const status = statusOrNone(directory, name)
      if (!status?.isFile()) return []
      return [{ name, bytes: status.size, version: `${Math.round(status.mtimeMs)}-${status.size}` }]
    })
    .slice(0, MOST)
}

/** Changes when a file of a run does. The metrics grow all the time and are told of in another way. */
export function filesVersion(directory: string): string {
  return filesOf(directory)
    .filter(({ name }) => !/^metrics\.|\.arrows$|^timings/.test(name))
    .map(({ name, version }) => `${name} ${version}`)
    .join()
}

/** The media type of a file, by its ending. */
export function typeOf(name: string): string {
  return types[extname(name)] ?? 'application/octet-stream'
}

/** The path of a file of a run; undefined if the list has no such name. */
export function pathOf(directory: string, name: string): string | undefined {
  return filesOf(directory).some((file) => file.name === name) ? join(directory, name) : undefined
}

function namesOrNone(directory: string, folder: string): string[] {
  try {
    return namesInside(directory, folder)
  } catch {
    return []
  }
}

function statusOrNone(directory: string, name: string) {
  try {
    return entryInside(directory, name)
  } catch {
    return undefined
  }
}
