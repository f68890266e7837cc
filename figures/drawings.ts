import { barsFigure } from './bars.js'
import { loadCharts } from './chart.js'
import { confusionFigure } from './confusion.js'
import { curvesFigure } from './curves.js'
import { montageFigure } from './montage.js'
import { loadRenderer, pngOf } from './png.js'

/** What can be drawn in another thread: functions of plain data. */
export const drawings = { barsFigure, confusionFigure, curvesFigure, load, montageFigure, pngOf } as const

/** Loads what curves or PNGs need, for the figures to come. */
async function load(what: 'curves' | 'png'): Promise<string> {
  await (what === 'png' ? loadRenderer() : loadCharts())
  return what
}

/** The functions by their names. */
export type Drawings = typeof drawings

/** A drawing that a thread is asked for. */
export interface DrawingRequest {
  /** The number of the request. */
  readonly id: number
  /** The name of the function. */
  readonly name: keyof Drawings
  /** Its arguments. */
  readonly given: readonly unknown[]
}

/** The answer to a request. */
export type DrawingAnswer =
  | { readonly id: number; readonly result: string | Uint8Array }
  | { readonly id: number; readonly error: string }
