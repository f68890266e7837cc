import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Pipeline } from '../index.js'
import { findDefinition } from '../pipeline/definition/find.js'
import { openDefinition, type ReadOptions, readDefinition } from '../pipeline/definition/read.js'
import { entriesOf, isList, type Value } from '../pipeline/definition/value.js'
import { isFile, splitPick } from '../pipeline/graph/registry.js'

/**
 * The files that make a pipeline: the definition, those that it extends, its stage files, and what these import by relative
 * paths. No code is loaded. Of a definition that cannot be read, what is known of it.
 */
export function filesOf(name: string, options: ReadOptions): string[] {
  const file = resolve(findDefinition(name))
  const files = new Set([file, ...chainOf(file)])
  const code = new Set<string>()
  try {
    const source = openDefinition(file)
    for (const value of source.values.values()) for (const each of originsIn(value)) files.add(each)
    for (const { use, folder } of readDefinition(source, options).stages) {
      const [path] = splitPick(use)
      if (isFile(path)) addImports(resolve(folder, path), code)
    }
  } catch {
    // The run says what is wrong with it.
  }
  return [...new Set([...files, ...code])]
}

/** The files that a file extends, one after the other, as far as they can be followed. */
function chainOf(file: string): string[] {
  const found: string[] = []
  for (let at: string | undefined = file; at !== undefined && found.length < 20; ) {
    const parent: string | undefined = /^extends:\s*["']?([^"'#\n]+?)["']?\s*(?:#.*)?$/m.exec(textOf(at))?.[1]
    try {
      at = parent === undefined ? undefined : resolve(dirname(at), findDefinition(parent, dirname(at)))
    } catch {
      at = undefined
    }
    if (at !== undefined) found.push(at)
  }
  return found
}

function originsIn(value: Value): string[] {
  const own = value.origin.kind === 'file' ? [resolve(value.origin.file)] : []
  const inner = isList(value) ? value.data : [...entriesOf(value).values()].map((entry) => entry.value)
  return [...new Set([...own, ...inner.flatMap(originsIn)])]
}

/** `import … from './x.js'`, `export … from './x.js'`, `import('./x.js')`. */
const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*["'](\.{1,2}\/[^"'\n]+)["']/g

function addImports(file: string, files: Set<string>): void {
  if (files.has(file) || files.size > 1000) return
  files.add(file)
  for (const [, path] of textOf(file).matchAll(IMPORT)) addImports(resolve(dirname(file), path!), files)
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** The data files of a pipeline, as far as its stages name them before they run. */
export async function dataFilesOf(name: string, options: ReadOptions): Promise<string[]> {
  try {
    const { graph } = await Pipeline.load(name, options)
    return graph.nodes
      .flatMap(({ stage, located }) => [...(stage.sources?.(located()) ?? [])])
      .filter((file) => existsSync(file))
  } catch {
    return []
  }
}
