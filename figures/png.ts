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
  renderer ??= openRenderer().catch((error) => {
    // What was short, for example memory, may be there the next time.
    renderer = undefined
    throw error
  })
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
    const module = await compile(wasm)
    hideOnce('Request', 'Response')
    await initWasm(module)
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

/**
 * Lets the next look at these globals find nothing, and the later ones what is there. The renderer asks whether it was
 * given a `Response`, and by that makes Node load its HTTP client. That takes time and, if addresses are short
 * (`ulimit -v`), ends the process: nothing can wait for the WebAssembly of that client.
 */
function hideOnce(...names: string[]): void {
  for (const name of names) {
    const before = Object.getOwnPropertyDescriptor(globalThis, name)
    if (!before?.configurable) continue
    const restore = (): void => void Object.defineProperty(globalThis, name, before)
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get: () => restore(),
      set: (value) => {
        restore()
        Reflect.set(globalThis, name, value)
      },
    })
  }
}

type InitWasm = typeof import('@resvg/resvg-wasm').initWasm

/**
 * Compiles the renderer without optimising its code: optimising takes longer than drawing, and 80 MB. V8 reads the flag
 * before `WebAssembly.compile` returns its promise, so that the flag applies to this module alone.
 */
function compile(bytes: Uint8Array): Promise<Awaited<Parameters<InitWasm>[0]>> {
  const { WebAssembly } = globalThis as unknown as {
    WebAssembly: { compile(bytes: Uint8Array): Promise<Awaited<Parameters<InitWasm>[0]>> }
  }
  setFlagsFromString('--liftoff-only')
  try {
    return WebAssembly.compile(bytes)
  } finally {
    setFlagsFromString('--no-liftoff-only')
  }
}
