import { existsSync } from 'node:fs'
import { createRequire, isBuiltin, register } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, PipelineError } from '../base/errors.js'
import { didYouMean } from '../base/nearest.js'
import { shortPath } from '../base/words.js'
import { checkPluginFile, type DecidedTrust } from '../definition/trust.js'
import { type AnyStage, isStage } from '../stage/stage.js'

/** Stages by name. A Map, because the names come from users. */
export type Registry = ReadonlyMap<string, AnyStage>

/** Loads a module that exports stages. */
type StageModule = () => Promise<Readonly<Record<string, unknown>>>

let load: StageModule = async () => ({})
let builtIn: Promise<Registry> | undefined

/**
 * Sets the module with the stages that come with Millrace. It is loaded once, when a pipeline is first read. The public
 * entry calls this: the engine itself knows no stage.
 */
export function useBuiltInStages(module: StageModule): void {
  load = module
  builtIn = undefined
}

/** The stages that come with Millrace, by name. */
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
 * Finds what `use:` names: a built-in stage, a file (`./my-stage.js`, from `folder`) or an npm package installed there.
 * A module may export several stages; `./stages.js#name` picks one. Throws a PipelineError that says what was looked for.
 *
 * @param trust which code may be loaded; nothing given: any, because the name does not come from a definition
 */
export async function resolveStage(
  use: string,
  folder: string,
  trust?: Pick<DecidedTrust, 'plugins'>,
): Promise<AnyStage> {
  const stages = await builtInStages()
  const known = stages.get(use)
  if (known) return known
  const [path, pick] = splitPick(use)
  if (isFile(path)) {
    if (trust?.plugins === false)
      throw new PipelineError('DEFINITION', `${use} is code, which --no-plugins or MILLRACE_NO_PLUGINS forbids`)
    const file = resolve(folder, path)
    if (!existsSync(file)) throw new PipelineError('DEFINITION', `no stage file ${shortPath(file)}`)
    if (trust) checkPluginFile(file, use, folder, trust)
    return pickStage(await importModule(file, use), pick, use)
  }
  const file = trust?.plugins === false ? undefined : packageFile(path, folder)
  if (!file) {
    const files = ['.js', '.mjs', '.ts'].map((ending) => `./${path}${ending}`)
    const local = files.find((name) => existsSync(join(folder, name)))
    const suggestion = local ? `; did you mean "${local}"?` : didYouMean(use, stages.keys())
    throw new PipelineError(
      'DEFINITION',
      `no stage named "${use}"${suggestion || '; "millrace stages" lists the built-in ones, "./file.js" uses your own'}`,
    )
  }
  return pickStage(await importModule(file, use), pick, use)
}

/** True for `use:` values that name a file rather than a stage or package. */
export function isFile(use: string): boolean {
  return /^\.{1,2}[/\\]/.test(use) || /^([/\\]|[A-Za-z]:[/\\])/.test(use)
}

/** `./stages.js#name`: the file, and which of its stages. */
export function splitPick(use: string): [path: string, pick: string | undefined] {
  const at = use.lastIndexOf('#')
  return at < 0 ? [use, undefined] : [use.slice(0, at), use.slice(at + 1)]
}

function packageFile(name: string, folder: string): string | undefined {
  // A name with ".." could lead out of the folder of packages.
  if (!/^(@[\w.-]+\/)?[\w.-]+(\/[\w./-]+)?$/.test(name) || /(^|\/)\.{1,2}(\/|$)/.test(name)) return undefined
  try {
    return isBuiltin(name) ? undefined : createRequire(join(folder, 'noop.js')).resolve(name)
  } catch {
    return undefined
  }
}

let hooked = false

async function importModule(file: string, use: string): Promise<Record<string, unknown>> {
  // A stage file beside a pipeline may stand where no `node_modules` is: `import 'millrace'` then means this one.
  if (!hooked) register(fallbackHook(import.meta.url))
  hooked = true
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
      : `${use} exports ${names.join(', ')}${pick ? `, not ${pick}` : ''}; pick one with "${splitPick(use)[0]}#${names[0]}"`,
  )
}
