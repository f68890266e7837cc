import { z } from 'zod'
import { pngOf } from '../../figures/index.js'
import { outputPath, replaceFile, type StageContext } from '../../pipeline/index.js'

/** The options that every figure has. */
export function figureOptions(name: string) {
  return {
    path: outputPath
      .default(`figures/${name}`)
      .describe('File inside the run directory; with the ending .svg or .png only that is written.'),
    formats: z
      .array(z.enum(['svg', 'png']))
      .min(1)
      .default(['svg', 'png'])
      .describe('What to write where the path has no ending.'),
  }
}

interface FigureOptions {
  readonly path: string
  readonly formats: readonly ('svg' | 'png')[]
}

/** Claims the files of a figure and returns what writes them; `suffix` goes before the ending. */
export function figureFiles(
  context: StageContext,
  { path, formats }: FigureOptions,
  suffix = '',
): (svg: string) => Promise<void> {
  const ending = /\.(svg|png)$/i.exec(path)?.[1]
  const wanted = ending ? [ending] : [...new Set(formats)]
  const files = wanted.map((format) => ({ format, file: context.file(`${stemOf(path)}${suffix}.${format}`) }))
  return async (svg) => {
    for (const { format, file } of files) {
      replaceFile(file, format.toLowerCase() === 'svg' ? svg : await pngOf(svg))
      await context.flow.breathe()
    }
  }
}

/** The path of a figure without its ending. */
export function stemOf(path: string): string {
  return path.replace(/\.(svg|png)$/i, '')
}
