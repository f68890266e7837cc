import { nativeRenderer } from './native-renderer.js'
import type { Renderer } from './renderer.js'
import { wasmRenderer } from './wasm-renderer.js'

/** How to render a PNG. */
export interface PngOptions {
  /** Pixels per unit of the SVG. Default: 2, or 1 if the figure has more than a million square units. */
  readonly scale?: number
}

/** The renderer. The first PNG loads it. */
let renderer: Promise<Renderer> | undefined

/**
 * Renders an SVG as a PNG. The renderer is native code, or the same code as WebAssembly where its package is missing, and
 * uses only the bundled font: the bytes are the same on every machine. Characters that the font lacks (`missingGlyphs`), for example Chinese ones, become empty boxes.
 */
export async function pngOf(svg: string, { scale = scaleOf(svg) }: PngOptions = {}): Promise<Uint8Array> {
  return (await loadRenderer())(svg, scale)
}

/** Loads the renderer. */
export function loadRenderer(): Promise<Renderer> {
  renderer ??= openRenderer().catch((error) => {
    // What was short, for example memory, may be there the next time.
    renderer = undefined
    throw error
  })
  return renderer
}

function scaleOf(svg: string): number {
  const [, width, height] = /<svg[^>]* width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? []
  return Number(width) * Number(height) > 1e6 ? 1 : 2
}

async function openRenderer(): Promise<Renderer> {
  return (await nativeRenderer()) ?? wasmRenderer()
}
