import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { readFonts } from './glyphs.js'

/** How to render a PNG. */
export interface PngOptions {
  /** Pixels per unit of the SVG. Default: 2, or 1 if the figure has more than a million square units. */
  readonly scale?: number
}

/** The renderer. The first PNG loads it. */
let renderer: Promise<(svg: string, scale: number) => Uint8Array> | undefined

/**
 * Renders an SVG as a PNG. The renderer is WebAssembly and uses only the bundled font, so that the bytes are the same
 * on every machine. Characters that the font lacks (`missingGlyphs`), for example Chinese ones, become empty boxes.
 */
export async function pngOf(svg: string, { scale = scaleOf(svg) }: PngOptions = {}): Promise<Uint8Array> {
  renderer ??= openRenderer()
  return (await renderer)(svg, scale)
}

function scaleOf(svg: string): number {
  const [, width, height] = /<svg[^>]* width="([\d.]+)" height="([\d.]+)"/.exec(svg) ?? []
  return Number(width) * Number(height) > 1e6 ? 1 : 2
}

async function openRenderer(): Promise<(svg: string, scale: number) => Uint8Array> {
  const [{ initWasm, Resvg }, wasm, fontBuffers] = await Promise.all([
    import('@resvg/resvg-wasm'),
    readFile(fileURLToPath(import.meta.resolve('@resvg/resvg-wasm/index_bg.wasm'))),
    readFonts(),
  ])
  try {
    await initWasm(compile(wasm))
  } catch (error) {
    // A program that uses the same package may have initialised it already.
    if (!/already initialized/i.test(String(error))) throw error
  }
  const font = { fontBuffers, defaultFontFamily: 'DejaVu Sans', sansSerifFamily: 'DejaVu Sans' }
  return (svg, scale) => {
    const resvg = new Resvg(svg, { font, fitTo: { mode: 'zoom', value: scale } })
    const rendered = resvg.render()
    const bytes = rendered.asPng()
    rendered.free()
    resvg.free()
    return bytes
  }
}

type InitWasm = typeof import('@resvg/resvg-wasm').initWasm

/**
 * Compiles the renderer without optimising its code: optimising takes longer than drawing, and 80 MB. V8 reads the flag
 * before `WebAssembly.compile` returns its promise, so that the flag applies to this module alone.
 */
function compile(bytes: Uint8Array): Parameters<InitWasm>[0] {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { compile(bytes: Uint8Array): Parameters<InitWasm>[0] }
  }
  setFlagsFromString('--liftoff-only')
  try {
    return WebAssembly.compile(bytes)
  } finally {
    setFlagsFromString('--no-liftoff-only')
  }
}
