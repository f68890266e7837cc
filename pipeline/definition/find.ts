import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { PipelineError } from '../base/errors.js'
import { suggestion } from '../base/nearest.js'
import { packagePath } from '../base/package.js'
import { cut, show } from '../base/words.js'

/** The folder of the built-in pipelines. */
export const builtInFolder = packagePath('configs')

/** The names of the built-in pipelines, sorted: `cifar10/experiment-1`, `digits`, … */
export function builtInNames(): string[] {
  return readdirSync(builtInFolder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.yaml') && !name.endsWith('.test.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length).replaceAll('\\', '/'))
    .sort()
}

/** What files of data are called. */
const DATA = /\.(csv|tsv|jsonl|ndjson|parquet|arrows?|feather|arff|np[yz])(\.gz)?$/i

/**
 * Returns the path of a definition. `name` is a file, relative to `folder`, or the name of a built-in pipeline
 * (`digits`, `cifar10/experiment-3`), or its last part (`experiment-3`). A name that ends in `.yaml` or `.yml` is
 * returned even if there is no such file. Throws a PipelineError `DEFINITION` for other names that are not found, and
 * for files of data.
 */
export function findDefinition(name: string, folder = process.cwd()): string {
  const file = resolve(folder, name)
  if (DATA.test(name) && existsSync(file)) {
    const made = basename(name).replace(DATA, '.yaml')
    throw new PipelineError(
      'DEFINITION',
      `${cut(name)} is data, no pipeline; millrace create --from ${cut(name)} --out ${cut(made)} makes a pipeline for it`,
    )
  }
  if (existsSync(file) && !(statSync(file).isDirectory() && !/[./\\]/.test(name))) return file
  const names = builtInNames()
  const found = names.filter((known) => known === name || basename(known) === name)
  if (found.length === 1) return join(builtInFolder, `${found[0]}.yaml`)
  if (/\.ya?ml$/.test(name) || name.includes('\0')) return name
  if (name !== '' && existsSync(file)) return file
  // The message shows only the first names, so the general pipelines, which lie in no folder, come first.
  const topLevelFirst = (a: string, b: string): number => Number(a.includes('/')) - Number(b.includes('/'))
  throw new PipelineError(
    'DEFINITION',
    `no file and no built-in pipeline named ${show(name)}${suggestion(name, names.sort(topLevelFirst), 'built in')}`,
  )
}
