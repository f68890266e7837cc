import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { inFileOrder, messageOf, PipelineError, type Problem } from '../base/errors.js'
import { shortPath } from '../base/words.js'
import { findDefinition } from './find.js'
import { checkShape } from './schema.js'
import { readSource } from './source.js'
import { entriesOf, formatOrigin, isList, isMapping, type Value } from './value.js'

/**
 * Reads a file and the files that it extends, and joins their keys. Each var of the file replaces the inherited var of
 * that name. Its `stages` replace the inherited list. Adds mistakes to `problems`. Throws a PipelineError `DEFINITION`
 * with all problems so far if a mistake would cause many others: a file that cannot be read, or vars that are not a
 * mapping.
 *
 * `below` lists the files that extend this one, the outermost first. `alone`: see
 * `openDefinition`.
 */
export function readWithInherited(
  file: string,
  below: readonly string[],
  problems: Problem[],
  alone?: string,
): Map<string, Value> {
  const value = readSource(file)
  const own = new Map(entriesOf(value))
  for (const key of own.keys()) if (key.startsWith('x-')) own.delete(key)
  checkShape({ data: own, origin: value.origin }, problems)
  const result = new Map<string, Value>([...own].map(([key, entry]) => [key, entry.value]))
  const parent = result.get('extends')
  const vars = result.get('vars')
  if (parent && alone !== undefined)
    throw new PipelineError('DEFINITION', [
      { where: formatOrigin(parent.origin), message: `extends: ${alone} extends no file` },
    ])
  if (parent) addInherited(result, readParent(parent, file, below, problems))
  if (vars && vars.data !== null && !isMapping(vars)) throw new PipelineError('DEFINITION', inFileOrder(problems))
  if (below.length === 0 && !result.has('stages'))
    problems.push({ where: formatOrigin(value.origin), message: 'stages is required: expected a list of stages' })
  return result
}

/** Finds the file that `extends` names: one in the folder of the definition, or a built-in pipeline. */
function extended(name: string, folder: string, where: string, stop: (problem: Problem) => PipelineError): string {
  try {
    return findDefinition(name, folder)
  } catch (error) {
    throw stop({ where, message: `extends: ${messageOf(error)}` })
  }
}

/** Reads the file that `extends` names. An error in it without a position gets that of `extends`. */
function readParent(parent: Value, file: string, below: readonly string[], problems: Problem[]): Map<string, Value> {
  const where = formatOrigin(parent.origin)
  const stop = (...found: Problem[]): PipelineError =>
    new PipelineError('DEFINITION', inFileOrder([...problems, ...found]))
  if (typeof parent.data !== 'string' || parent.data === '') throw stop()
  const path = resolve(dirname(file), extended(parent.data, dirname(file), where, stop))
  const chain = [...below, file]
  if (chain.includes(path))
    throw stop({
      where,
      message: `files extend each other in a circle: ${[...chain, path].map(shortPath).join(' → ')}`,
    })
  if (!existsSync(path)) throw stop({ where, message: `extends: no file ${shortPath(path)}` })
  try {
    return readWithInherited(path, chain, problems)
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error
    const found = error.problems.map((problem) =>
      problem.where || problem.more ? problem : { where, message: `extends: ${problem.message}` },
    )
    throw stop(...found)
  }
}

/**
 * Adds the inherited keys that a definition does not set itself. The inherited `patch` comes before its own, unless it
 * replaces the stages. `name`, `published` and `sweep` are not inherited, because a variation of an experiment is
 * another experiment.
 */
function addInherited(own: Map<string, Value>, inherited: Map<string, Value>): void {
  const vars = new Map([...entriesOf(inherited.get('vars')), ...entriesOf(own.get('vars'))])
  const ownPatch = own.get('patch')
  const inheritedPatch = own.has('stages') ? undefined : inherited.get('patch')
  for (const key of ['seed', 'splitSeed', 'description', 'checkpoint', 'memory', 'parallel', 'stages'])
    if (!own.has(key) && inherited.has(key)) own.set(key, inherited.get(key)!)
  if (vars.size > 0) own.set('vars', { data: vars, origin: (own.get('vars') ?? inherited.get('vars')!).origin })
  if (isList(inheritedPatch))
    own.set('patch', {
      data: [...inheritedPatch.data, ...(isList(ownPatch) ? ownPatch.data : [])],
      origin: inheritedPatch.origin,
    })
}
