import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const folders = [
  'cli',
  'dashboard',
  'figures',
  'kernels',
  'learners',
  'pipeline',
  'reference',
  'report',
  'stages',
  'sweep',
  'testing',
]

/** The text of every source file, by its path. */
export function sources(): Map<string, string> {
  const inFolders = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  const own = readdirSync('.').filter((name) => name.endsWith('.ts'))
  const names = [...own, ...inFolders].map((name) => name.replaceAll('\\', '/'))
  // AssemblyScript is compiled on its own; generated and installed files are not sources.
  const isSource = (name: string) => /\.tsx?$/.test(name) && !/\/(assembly|build|prebuilds)\//.test(name)
  return new Map(names.filter(isSource).map((name) => [name, readFileSync(name, 'utf8')]))
}
