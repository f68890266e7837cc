import { type Initial, initialArrays } from '../../learners/index.js'
import {
  type ArraySpec,
  type Arrays,
  listed,
  type Numbers,
  PipelineError,
  readStoredArrays,
  type StageContext,
} from '../../pipeline/stage-kit.js'

/**
 * Returns a function that makes the first parameters of a run: drawn, or from a file, which is read now and recorded as a
 * source of the run. Running averages that the file lacks begin anew. Throws a PipelineError `DATA` if the file cannot be
 * read; the function does if the arrays do not fit.
 */
export function firstParameters(init: Initial, context: StageContext): (specs: readonly ArraySpec[]) => Arrays {
  if (typeof init === 'string' || 'normal' in init) return (specs) => initialArrays(init, specs, context.random('init'))
  const { arrays, source } = readStoredArrays(init.from)
  context.source(source)
  return (specs) => {
    const wrong: string[] = []
    const found: Record<string, Numbers> = {}
    for (const spec of specs) {
      const stored = arrays.get(spec.name)
      if (stored?.shape.join() === spec.shape.join()) found[spec.name] = stored.values
      else if (!stored && spec.kind === 'average')
        Object.assign(found, initialArrays('zeros', [spec], context.random('init')))
      else wrong.push(`${spec.name} (needed ${spec.shape.join('×')}, found ${stored?.shape.join('×') ?? 'none'})`)
    }
    const extra = [...arrays.keys()].filter((name) => !specs.some((spec) => spec.name === name))
    if (wrong.length > 0)
      throw new PipelineError(
        'DATA',
        `${source.path} does not fit this model: ${listed(wrong, 'and')}` +
          (extra.length > 0 ? `; it also has ${listed(extra, 'and')}` : ''),
      )
    return found
  }
}
