import { basename, join } from 'node:path'
import { fileReason } from '../pipeline/base/errors.js'
import { namesInside, readInside } from '../pipeline/files/inside.js'

/** An image in a run directory. */
export interface Figure {
  /** The name of the file without folder and ending: `weights`, `confusion`, … */
  readonly name: string
  /** The media type. */
  readonly type: 'image/svg+xml' | 'image/png'
  /** The content of the file. */
  readonly bytes: Buffer
}

/** The largest size of a figure or of a table that is shown whole, in bytes: a report shall fit into a mail. */
export const MAX_PART = 2 << 20

/** The largest size of all figures of a run, in bytes. */
const MAX_FIGURES = 32 << 20

/** After so many figures that cannot be shown, no further one is looked at. */
const MAX_FIGURE_PROBLEMS = 1000

/** Reads the figures, sorted by name. An SVG is preferred to a PNG. Snapshots of single epochs are left out. */
export function figuresIn(directory: string, remarks: string[]): Figure[] {
  const found = new Map<string, Figure>()
  let [bytes, left] = [0, 0]
  for (const file of figureFiles(directory, remarks)) {
    const [, name, ending] = /^(.*)\.(svg|png)$/s.exec(basename(file))!
    if (found.has(name!) || /-epoch-\d+$/.test(name!)) continue
    const figure = readFigure(directory, file, ending as 'svg' | 'png', remarks)
    if (figure === undefined) continue
    if (bytes + figure.bytes.length > MAX_FIGURES) left++
    else {
      found.set(name!, figure)
      bytes += figure.bytes.length
    }
    if (left + remarks.length > MAX_FIGURE_PROBLEMS) break
  }
  if (left > 0)
    remarks.push(`${left} figures or more are left out: together they have more than ${MAX_FIGURES >> 20} MB`)
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** The paths of what may be figures. Of two with one name, the SVG comes first. */
function figureFiles(directory: string, remarks: string[]): string[] {
  return ['', 'figures'].flatMap((folder) => {
    try {
      const names = namesInside(directory, folder).filter((name) => /.\.(svg|png)$/s.test(name))
      return names.reverse().map((name) => join(folder, name))
    } catch (error) {
      remarks.push(`${folder || 'the directory'} cannot be read: ${fileReason(error)}`)
      return []
    }
  })
}

function readFigure(directory: string, file: string, ending: 'svg' | 'png', remarks: string[]): Figure | undefined {
  try {
    const bytes = readInside(directory, file, MAX_PART)
    if (!isImage(bytes, ending)) throw new Error(`it is no ${ending.toUpperCase()}`)
    return { name: basename(file, `.${ending}`), type: ending === 'svg' ? 'image/svg+xml' : 'image/png', bytes }
  } catch (error) {
    remarks.push(`${basename(file)} is left out: ${fileReason(error)}`)
    return undefined
  }
}

function isImage(bytes: Buffer, ending: string | undefined): boolean {
  return ending === 'svg' ? bytes.subarray(0, 1000).includes('<svg') : bytes.subarray(1, 4).toString('latin1') === 'PNG'
}
