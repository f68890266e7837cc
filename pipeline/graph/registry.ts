import { existsSync } from 'node:fs'
import { createRequire, isBuiltin, register } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, PipelineError } from '../base/errors.js'
import { didYouMean } from '../base/nearest.js'
import { shortPath } from '../base/words.js'
import { checkPluginFile, type DecidedTrust } from '../definition/trust.js'
import { type AnyStage, isStage } from '../stage/stage.js'

/** Stages by name. A Map, because names come from users: `__proto__` must not find anything. */
export type Registry = ReadonlyMap<string, AnyStage>

/** Loads a module that exports stages. */
type StageModuleLoader = () => Promise<Readonly<Record<string, unknown>>>

let load: StageModuleLoader = async () => ({})
let builtIn: Promise<Registry> | undefined

/**
 * Tells the engine where the built-in stages are. They are loaded once, when the first pipeline is made. The public
 * entry calls this, because the engine itself imports no stage.
 */
export function useBuiltInStages(loader: StageModuleLoader): void {
  load = loader
  builtIn = undefined
}

/** Returns the built-in stages by name. */
export function builtInStages(): Promise<Registry> {
  builtIn ??= load().then(
    (exports) =>
      new Map(
        Object.values(exports)
          .filter(isStage)
          .map((stage) => [stage.name, stage]),
      ),
  )
  return builtIn
}

/**
 * Finds the stage that `use` names: a built-in one, or one from a file (`./my-stage.js`) or an npm package.
 * `./stages.js#name` picks a stage from a module that exports several. Throws a PipelineError `DEFINITION` if there is
 * no such stage, or if it cannot be loaded.
 *
 * @param folder paths are relative to this folder, and packages are resolved from it
 * @param trust which code may be loaded. Default: any; right only if the name does not come from a definition.
 */
export async function resolveStage(
  use: string,
  folder: string,
  trust?: Pick<DecidedTrust, 'plugins' | 'runDirectory'>,
): Promise<AnyStage> {
  const stages = await builtInStages()
  const known = stages.get(use)
  if (known) return known
  const [path, pick] = splitPick(use)
  const mayLoad = trust?.plugins !== false
  if (isFile(path)) {
    if (!mayLoad)
      throw new PipelineError('DEFINITION', `${use} is code, which --no-plugins or MILLRACE_NO_PLUGINS forbids`)
    const file = resolve(folder, path)
    if (!existsSync(file)) throw new PipelineError('DEFINITION', `no stage file ${shortPath(file)}`)
    if (trust) checkPluginFile(file, use, folder, trust)
    return pickStage(await importModule(file, use), pick, use)
  }
  const file = mayLoad ? packageFile(path, packageFolder(folder, trust?.runDirectory)) : undefined
  if (!file) {
    const files = ['.js', '.mjs', '.ts'].map((ending) => `./${path}${ending}`)
    const local = files.find((name) => existsSync(join(folder, name)))
    const suggestion = local ? `; did you mean "${local}"?` : didYouMean(use, stages.keys())
    const help = '; "millrace stages" lists the built-in ones, "./file.js" uses your own'
    throw new PipelineError('DEFINITION', `no stage named "${use}"${suggestion || help}`)
  }
  return pickStage(await importModule(file, use), pick, use)
}

/** Whether a `use:` value names a file rather than a stage or a package. */
export function isFile(use: string): boolean {
  return /^\.{1,2}[/\\]/.test(use) || /^([/\\]|[A-Za-z]:[/\\])/.test(use)
}

/** Splits `./stages.js#name` into the file and the name of the stage in it, which is undefined if there is no `#`. */
export function splitPick(use: string): [path: string, pick: string | undefined] {
  const hash = use.lastIndexOf('#')
  return hash < 0 ? [use, undefined] : [use.slice(0, hash), use.slice(hash + 1)]
}

/** The folder from which packages are resolved: never a run directory, where a stranger may have put one. */
function packageFolder(folder: string, runDirectory: string | undefined): string {
  const isInside = runDirectory !== undefined && !relative(runDirectory, folder).startsWith('..')
  return isInside ? dirname(runDirectory) : folder
}

function packageFile(name: string, folder: string): string | undefined {
  // A name with ".." could lead out of `node_modules`.
  if (!/^(@[\w.-]+\/)?[\w.-]+(\/[\w./-]+)?$/.test(name) || /(^|\/)\.{1,2}(\/|$)/.test(name)) return undefined
  try {
    return isBuiltin(name) ? undefined : createRequire(join(folder, 'noop.js')).resolve(name)
  } catch {
    return undefined
  }
}

let hasHook = false

async function importModule(file: string, use: string): Promise<Record<string, unknown>> {
  if (!hasHook) register(fallbackHook(import.meta.url))
  hasHook = true
  try {
    return (await import(pathToFileURL(file).href)) as Record<string, unknown>
  } catch (error) {
    const message = `cannot load the stage ${use}: ${messageOf(error)}${await hintIfMoved(error)}`
    throw new PipelineError('DEFINITION', message, { cause: error })
  }
}

/** Returns a hint if a stage imports a name from `millrace`, as in version 0.1.0, that is now in the stage kit. */
async function hintIfMoved(error: unknown): Promise<string> {
  const name = /module 'millrace' does not provide an export named '([\w$]+)'/.exec(messageOf(error))?.[1]
  return name !== undefined && name in (await import('millrace/stage')) ? '; import it from "millrace/stage"' : ''
}

/**
 * A module hook for stage files in a folder without `node_modules`: their `import 'millrace'` finds this Millrace, and
 * `rxjs`, `zod` … the ones that Millrace uses. Returned as a `data:` URL.
 */
function fallbackHook(home: string): string {
  const source = `
    const ours = /^(millrace|zod|rxjs|apache-arrow|ndarray)(\\/|$)/
    export async function resolve(specifier, context, next) {
      try {
        return await next(specifier, context)
      } catch (error) {
        if (!ours.test(specifier)) throw error
        return next(specifier, { ...context, parentURL: ${JSON.stringify(home)} })
      }
    }`
  return `data:text/javascript,${encodeURIComponent(source)}`
}

function pickStage(module: Record<string, unknown>, pick: string | undefined, use: string): AnyStage {
  const stages = Object.entries(module).filter(([, value]) => isStage(value))
  const chosen = pick
    ? stages.find(([name, stage]) => name === pick || (stage as AnyStage).name === pick)
    : (stages.find(([name]) => name === 'default') ?? (stages.length === 1 ? stages[0] : undefined))
  if (chosen) return chosen[1] as AnyStage
  const names = stages.map(([name]) => name)
  throw new PipelineError(
    'DEFINITION',
    names.length === 0
      ? `${use} exports no stage; expected "export default defineStage({ … })"`
      : `${use} exports ${names.join(', ')}${pick ? `, not ${pick}` : ''}; ` +
          `pick one with "${splitPick(use)[0]}#${names[0]}"`,
  )
}
