import type { Table } from 'apache-arrow'
import { drawOffThread, imageLayout, type Pixels, pixelsOf, rangeOf } from '../figures/index.js'
import { inputMapOf, kernelRows, layoutOf } from '../pipeline/wires/examples.js'

/** Images of a class, and classes, that a sheet shows. */
const MOST = { images: 10, classes: 20 }

/** The first images of each class. */
export interface Sheet {
  /** A row of images for each class. */
  readonly rows: readonly { readonly label: string; readonly images: readonly Pixels[] }[]
}

/** Takes the first images of each class, in the unit in which they were loaded. Returns undefined if the examples are no images. */
export function sheetOf(tables: readonly Table[]): Sheet | undefined {
  const [first] = tables
  const layout = first && layoutOf(first)
  const image = layout && imageLayout(layout.shape)
  if (!image) return undefined
  const chosen = layout.classes.slice(0, MOST.classes).map((label) => ({ label, values: [] as Float64Array[] }))
  for (const table of tables) {
    const { values, labels } = kernelRows(table)
    const width = labels.length === 0 ? 0 : values.length / labels.length
    // Floats are taken back to what was loaded; bytes are what was loaded.
    const map = values instanceof Uint8Array ? undefined : inputMapOf(layoutOf(table))
    for (const [i, label] of labels.entries()) {
      const row = chosen[label]
      if (!row || row.values.length >= MOST.images) continue
      row.values.push(
        Float64Array.from(values.subarray(i * width, (i + 1) * width), (value, j) =>
          map ? (map.scale[j] === 0 ? map.mean[j]! : value / map.scale[j]! + map.mean[j]!) : value,
        ),
      )
    }
  }
  const ranges = chosen.flatMap(({ values }) => values.map((each) => rangeOf(each)))
  const range = [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))] as const
  return {
    rows: chosen.map(({ label, values }) => ({ label, images: values.map((each) => pixelsOf(each, image, range)) })),
  }
}

/** Draws a sheet. */
export async function sheetPng({ rows }: Sheet, title: string, signal: AbortSignal): Promise<Uint8Array> {
  const tiles = rows.map(({ label, images }) => ({ label, tiles: images.map((image) => ({ image })) }))
  const svg = await drawOffThread('montageFigure', [tiles, { title, tileWidth: 48 }], signal)
  return drawOffThread('pngOf', [svg], signal)
}
