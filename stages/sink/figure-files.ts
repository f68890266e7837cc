import { EMPTY, from, ignoreElements, type Observable, type OperatorFunction, Subscription, using } from 'rxjs'
import { z } from 'zod'
import { drawOffThread, missingGlyphs, prepareDrawing } from '../../figures/index.js'
import { outputPath, replaceFile, type StageContext } from '../../pipeline/stage-kit.js'

/** Makes the options that every figure has. */
export function figureOptions(name: string) {
  return {
    path: outputPath
      .default(`figures/${name}`)
      .describe('File inside the run directory. If it ends in .svg or .png, only this format is written.'),
    formats: z
      .array(z.enum(['svg', 'png']))
      .min(1)
      .default(['svg', 'png'])
      .describe('The formats to write if the path has no such ending.'),
  }
}

interface FigureOptions {
  readonly path: string
  readonly formats: readonly ('svg' | 'png')[]
}

/** Returns the paths of the files of a figure. `suffix` is added before the ending. */
export function figurePaths({ path, formats }: FigureOptions, suffix = ''): string[] {
  const ending = /\.(svg|png)$/i.exec(path)?.[1]
  return (ending ? [ending] : [...new Set(formats)]).map((format) => `${stemOf(path)}${suffix}.${format}`)
}

/** Registers the files of a figure with the run, prepares to draw it, and returns a function that writes them. */
export function figureFiles(
  context: StageContext,
  options: FigureOptions,
  suffix = '',
): (svg: string, pause: Pause) => Promise<void> {
  const files = figurePaths(options, suffix).map((path) => context.file(path))
  if (files.some((file) => /png$/i.test(file)) && context.parallel.rank === 0) prepareDrawing('png')
  return async (svg, pause) => {
    if (files.some((file) => !/svg$/i.test(file))) noteMissing(context, await missingGlyphs(svg))
    for (const file of files) {
      await pause()
      replaceFile(file, /svg$/i.test(file) ? svg : await drawOffThread('pngOf', [svg], context.signal))
    }
  }
}

/** The characters that each run of a stage has already told of. */
const told = new WeakMap<StageContext, Set<string>>()

/** Notes characters that are empty boxes in PNGs, once for each run of a stage. */
function noteMissing(context: StageContext, characters: readonly string[]): void {
  const before = told.get(context) ?? new Set()
  const missing = characters.filter((character) => !before.has(character))
  if (missing.length === 0) return
  told.set(context, new Set([...before, ...missing]))
  const shown = missing.slice(0, 10).join(' ') + (missing.length > 10 ? ' …' : '')
  context.note(
    `the font of the PNG figures lacks ${shown}: there they are empty boxes; an SVG shows them in the reader's own font`,
  )
}

/** Returns the path of a figure without its ending. */
export function stemOf(path: string): string {
  return path.replace(/\.(svg|png)$/i, '')
}

/** Yields to the event loop. Throws if the run has been aborted, so that it does not wait for the drawing. */
export type Pause = () => Promise<void>

/** Calls `draw` for each value, one after the other. If the user stops the run, nothing more is drawn. */
export function drawn<T>(
  { flow, signal }: StageContext,
  draw: (value: T, pause: Pause) => Promise<void>,
): OperatorFunction<T, never> {
  const drawing = (value: T): Observable<void> => {
    if (signal.aborted) return EMPTY
    return using(
      () => new Subscription(),
      (running) =>
        from(
          draw(value, async () => {
            await flow.yieldToEventLoop()
            if ((running as Subscription).closed) throw new Error('the run was cut off')
          }),
        ),
    )
  }
  return (values) => values.pipe(flow.concatMap(drawing), ignoreElements())
}
